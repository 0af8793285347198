"""Print the figures of the campaign that config/config.yaml describes, and where its files are."""

import sys
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from nanobrag_campaign.shards import record_folder
from trace_audit.config.settings import parse_settings

settings = parse_settings(yaml.safe_load(Path("config/config.yaml").read_text(encoding="utf-8")))
print((record_folder(settings.campaign) / "summary.txt").read_text(encoding="utf-8"), end="")
