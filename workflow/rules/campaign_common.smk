"""
What campaign.smk needs beside common.smk: the list of shards, and where their files are.

INPUTS
    config: the group `campaign`; a file of orientations is read to count its lines

OUTPUTS
    none; it runs no job

STEPS
    1. divide the frames into shards; one line and exit code 2 when something is wrong
"""

from nanobrag_campaign import shards as campaign_shards

CAMPAIGN = SETTINGS.campaign
CAMPAIGN_DATA = str(campaign_shards.data_folder(CAMPAIGN))
CAMPAIGN_RECORDS = str(campaign_shards.record_folder(CAMPAIGN))

try:
    SHARDS = {shard.name: shard for shard in campaign_shards.shards_of(CAMPAIGN)}
except InputError as error:
    print(
        f"error: {os.path.relpath(workflow.configfiles[-1])}: campaign.{error}",
        file=sys.stderr,
    )
    sys.exit(2)


def of_shard(wildcards):
    return SHARDS[f"{wildcards.scenario}/{wildcards.shard}"]


def hkl_of_the_others(wildcards):
    """So that all shards become ready at once, as a job array wants them."""
    return [
        f"results/inputs/{name}.hkl"
        for name in CAMPAIGN.scenarios
        if name != wildcards.scenario and PLAN.hkl_sources[name] is not None
    ]


def campaign_frames():
    return sum(shard.count for shard in SHARDS.values())


def campaign_data(wildcards):
    return CAMPAIGN_DATA


def campaign_records(wildcards):
    return CAMPAIGN_RECORDS


def per_shard(pattern):
    """One file of every shard, in the order of the frames."""
    return [pattern.format(shard=name) for name in SHARDS]


wildcard_constraints:
    shard=r"\d{6}",
