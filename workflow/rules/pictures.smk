"""
The pictures of the README and the site; target `pictures`, no part of the audit.

INPUTS
    results/supervisor/images/c/floatimage.bin      the whole image by the C program
    results/report/index.html                       the page about the last audit
    results/reference/nanobragg

OUTPUTS
    docs/pictures/pattern.png, report.png, failure.svg     kept in git
    build/pictures/                                        traces and comparison behind failure.svg

STEPS
    1. picture_pattern: the image, its brightest pixels by blocks
    2. picture_report: what a browser shows of the page; needs chromium
    3. picture_traces, picture_failure: two programs of which one is told that the beam is polarized, compared
"""

DRAWING = os.path.relpath(SRC.parent / "docs/pictures")
SMALL = (
    "-cell 50 60 70 90 90 90 -default_F 100 -N 5 -distance 100 -lambda 1"
    " -detpixels 128 -pixel 0.8 -trace_pixel 20 97 -nonoise -nopgm"
)


localrules:
    pictures,


rule pictures:
    input:
        "docs/pictures/pattern.png",
        "docs/pictures/report.png",
        "docs/pictures/failure.svg",


rule picture_pattern:
    input:
        image="results/supervisor/images/c/floatimage.bin",
        script=f"{DRAWING}/pattern.py",
    output:
        "docs/pictures/pattern.png",
    log:
        "logs/pictures/pattern.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Picture: the pattern"
    shell:
        "python {input.script:q} {input.image:q} 2527 2463 {output:q} > {log:q} 2>&1"


rule picture_report:
    input:
        page="results/report/index.html",
        script=f"{DRAWING}/page.py",
    output:
        "docs/pictures/report.png",
    log:
        "logs/pictures/report.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Picture: the report"
    shell:
        "python {input.script:q} {input.page:q} {output:q} > {log:q} 2>&1"


rule picture_traces:
    input:
        binary=BINARY,
    output:
        c="build/pictures/c.log",
        torch="build/pictures/torch.log",
        images=temp(["build/pictures/float.bin", "build/pictures/counts.img"]),
    log:
        "logs/pictures/traces.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    params:
        flags=SMALL,
        files="-floatfile build/pictures/float.bin -intfile build/pictures/counts.img",
    message:
        "Picture: two traces"
    shell:
        "({input.binary:q} {params.flags} {params.files} | grep '^TRACE' > {output.c:q}"
        " && python -m nanobrag_torch {params.flags} {params.files} -polar 0.9 | grep '^TRACE' > {output.torch:q})"
        " 2> {log:q}"


rule picture_failure:
    input:
        c=rules.picture_traces.output.c,
        torch=rules.picture_traces.output.torch,
        script=f"{DRAWING}/terminal.py",
    output:
        picture="docs/pictures/failure.svg",
        verdict="build/pictures/verdict.txt",
        summary="build/pictures/diff_summary.md",
    log:
        "logs/pictures/failure.log",
    conda:
        "../../envs/audit.yaml"
    threads: 1
    resources:
        **job("audit"),
    message:
        "Picture: two programs that differ"
    shell:
        "(python -m trace_audit.compare --c-log {input.c:q} --py-log {input.torch:q} --names C torch"
        " --out build/pictures/verdict.json --summary {output.summary:q} > {output.verdict:q} || test $? = 1;"
        " python {input.script:q} {output.verdict:q} {output.summary:q} {output.picture:q}) 2> {log:q}"
