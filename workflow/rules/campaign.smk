"""
A campaign: images by the thousand, in shards of many frames; target `campaign`, no part of the audit.

INPUTS
    config: the group `campaign`              scenarios x orientations x wavelengths, frames a shard, the folder
    config/scenarios/{scenario}.yaml, results/inputs/{scenario}.hkl, results/reference/nanobragg

OUTPUTS
    {folder}/{name}/plan.h5, plan.json        orientation and wavelength of every frame
    {folder}/{name}/shards/{scenario}/{shard}.h5, .json    the frames, NXmx; their hash, times, provenance
    {folder}/{name}/master.h5, master.json    all frames as one dataset
    results/campaign/{name}/audit/{scenario}/{shard}.json  a sample of each shard against the C program
    results/campaign/{name}/summary.json, summary.txt, gate.json

STEPS
    1. campaign_plan
    2. campaign_shard: one job a shard, made for a job array; a restart makes what is missing and nothing else
    3. campaign_audit: hashes the shard, and has the C program simulate a random sample of it
    4. campaign_merge, campaign_summary, campaign_ledger
    5. campaign_gate: fails if an audited frame disagrees, and leaves the evidence
    6. campaign_seal: records the hash of every file below results/
"""


localrules:
    campaign,
    campaign_plan,
    campaign_summary,
    campaign_ledger,
    campaign_gate,
    campaign_seal,


# Every file by name: snakemake does not miss one that lies between others unless it is asked for.
rule campaign:
    input:
        per_shard(f"{CAMPAIGN_DATA}/shards/{{shard}}.h5"),
        per_shard(f"{CAMPAIGN_DATA}/shards/{{shard}}.json"),
        per_shard(f"{CAMPAIGN_RECORDS}/audit/{{shard}}.json"),
        f"{CAMPAIGN_DATA}/master.h5",
        f"{CAMPAIGN_RECORDS}/summary.txt",
        "results/audit/receipts/campaign_seal.json",
    message:
        "Campaign {CAMPAIGN.name}: all there"


rule campaign_plan:
    input:
        scenarios=[str(PLAN.scenario_files[name]) for name in CAMPAIGN.scenarios],
        file=CAMPAIGN.orientations.file or [],
    output:
        table=f"{CAMPAIGN_DATA}/plan.h5",
        json=f"{CAMPAIGN_DATA}/plan.json",
    log:
        "logs/campaign_plan/plan.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        settings=CAMPAIGN.model_dump_json(),
        scenario_dir=lambda wildcards: SETTINGS.scenario_dir,
    message:
        "Planning the campaign {CAMPAIGN.name}"
    shell:
        "python -m nanobrag_campaign.plan --settings {params.settings:q} --scenario-dir {params.scenario_dir:q}"
        " --out {output.table:q} &> {log:q}"


# A shard does not read the plan, whose every number follows from the parameters here: so a campaign that grows keeps
# the shards that it has. campaign_merge compares all labels with the plan.
rule campaign_shard:
    input:
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        together=ancient(hkl_of_the_others),
        file=CAMPAIGN.orientations.file or [],
    output:
        frames=f"{CAMPAIGN_DATA}/shards/{{scenario}}/{{shard}}.h5",
        json=f"{CAMPAIGN_DATA}/shards/{{scenario}}/{{shard}}.json",
    log:
        "logs/campaign_shard/{scenario}_{shard}.log",
    benchmark:
        "logs/campaign_shard/{scenario}_{shard}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.campaign.threads
    resources:
        **torch_job("campaign", device=CAMPAIGN.device),
    params:
        code=code("campaign_shard"),
        settings=campaign_shards.content_key(CAMPAIGN),
        first=lambda wildcards: of_shard(wildcards).first,
        frames=lambda wildcards: of_shard(wildcards).count,
        of=lambda wildcards, threads: campaign_frames(),  # such a parameter is no reason to run again
        folder=campaign_data,
        scenario_dir=SETTINGS.scenario_dir,
        hkl=hkl_option,
    message:
        "Shard {wildcards.shard} of {wildcards.scenario}: {params.frames} frames"
    shell:
        "OMP_NUM_THREADS={threads} python -m nanobrag_campaign.shard --settings {params.settings:q}"
        " --scenario {wildcards.scenario:q} --scenario-dir {params.scenario_dir:q} {params.hkl}"
        " --shard {wildcards.shard} --first {params.first} --frames {params.frames} --threads {threads}"
        " --campaign-frames {params.of} --out {params.folder:q} &> {log:q}"


rule campaign_audit:
    input:
        frames=rules.campaign_shard.output.frames,
        json=rules.campaign_shard.output.json,
        scenario=scenario_yaml,
        hkl=prepared_hkl,
        binary=BINARY,
        build="results/reference/build.json",
    output:
        f"{CAMPAIGN_RECORDS}/audit/{{scenario}}/{{shard}}.json",
    log:
        "logs/campaign_audit/{scenario}_{shard}.log",
    benchmark:
        "logs/campaign_audit/{scenario}_{shard}.benchmark.tsv"
    conda:
        "../../envs/audit.yaml"
    threads: SETTINGS.resources.c_trace.threads
    resources:
        **job("c_trace"),
    params:
        code=code("campaign_audit"),
        settings=campaign_shards.audit_key(CAMPAIGN),
        first=lambda wildcards: of_shard(wildcards).first,
        frames=lambda wildcards: of_shard(wildcards).count,
        folder=campaign_data,
        scenario_dir=SETTINGS.scenario_dir,
        hkl=hkl_option,
        time_limit_s=SETTINGS.reference.time_limit_s,
    message:
        "Sample of shard {wildcards.shard} of {wildcards.scenario} by the C program"
    shell:
        "python -m nanobrag_campaign.audit --settings {params.settings:q} --folder {params.folder:q}"
        " --scenario {wildcards.scenario:q} --scenario-dir {params.scenario_dir:q} {params.hkl}"
        " --shard {wildcards.shard} --first {params.first} --frames {params.frames} --binary {input.binary:q} --time-limit-s {params.time_limit_s} --out {output:q} &> {log:q}"


rule campaign_merge:
    input:
        plan=f"{CAMPAIGN_DATA}/plan.h5",
        json=per_shard(f"{CAMPAIGN_DATA}/shards/{{shard}}.json"),
    output:
        master=f"{CAMPAIGN_DATA}/master.h5",
        json=f"{CAMPAIGN_DATA}/master.json",
    log:
        "logs/campaign_merge/merge.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        code=code("campaign_merge"),
        folder=campaign_data,
    message:
        "Joining the shards"
    shell:
        "python -m nanobrag_campaign.merge --plan {input.plan:q} --folder {params.folder:q} --out {output.master:q}"
        " &> {log:q}"


rule campaign_summary:
    input:
        plan=f"{CAMPAIGN_DATA}/plan.h5",
        audits=per_shard(f"{CAMPAIGN_RECORDS}/audit/{{shard}}.json"),
        master=f"{CAMPAIGN_DATA}/master.json",
        taken=[
            f"results/inputs/{name}.taken.json"
            for name in CAMPAIGN.scenarios
            if PLAN.hkl_sources[name] is not None
        ],
    output:
        json=f"{CAMPAIGN_RECORDS}/summary.json",
        text=report(
            f"{CAMPAIGN_RECORDS}/summary.txt",
            category="Campaign",
        ),
    log:
        "logs/campaign_summary/summary.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        code=code("campaign_summary"),
        data=campaign_data,
        records=campaign_records,
    message:
        "Figures of the campaign"
    shell:
        "python -m nanobrag_campaign.summary summarize --plan {input.plan:q} --folder {params.data:q}"
        " --records {params.records:q} --out {output.json:q} --taken {input.taken:q} &> {log:q}"


rule campaign_ledger:
    input:
        plan=f"{CAMPAIGN_DATA}/plan.h5",
        summary=rules.campaign_summary.output.json,
        files=[*workflow.configfiles, "results/reference/build.json", BINARY],
        scenarios=rules.campaign_plan.input.scenarios,
    output:
        f"results/audit/receipts/campaign_{CAMPAIGN.name}.json",
    log:
        "logs/campaign_ledger/ledger.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        data=campaign_data,
        records=campaign_records,
        code=[
            str(SRC / name)
            for name in ("nanobrag_campaign", "nanobrag_torch", "trace_audit")
        ],
    message:
        "Recording the campaign"
    shell:
        "python -m nanobrag_campaign.ledger --plan {input.plan:q} --folder {params.data:q} --records {params.records:q}"
        " --inputs {input.files:q} {input.scenarios:q} {params.code:q} --receipt {output:q} > {log:q} 2>&1"


rule campaign_gate:
    input:
        summary=rules.campaign_summary.output.json,
        receipt=rules.campaign_ledger.output,
    output:
        f"{CAMPAIGN_RECORDS}/gate.json",
    log:
        "logs/campaign_gate/gate.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Gate: every audited frame must agree"
    shell:
        "python -m nanobrag_campaign.summary gate {input.summary:q} 2> {log:q} && cat {input.receipt:q} > {output:q}"


rule campaign_seal:
    input:
        f"{CAMPAIGN_RECORDS}/gate.json",
    output:
        "results/audit/receipts/campaign_seal.json",
    log:
        "logs/campaign_seal/seal.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Sealing results/"
    shell:
        "python -m trace_audit.ledger seal --receipt {output:q} > {log:q} 2>&1"
