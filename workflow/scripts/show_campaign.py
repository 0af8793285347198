"""Print the figures of the campaign that config/config.yaml describes, and where its files are."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from nanobrag_campaign.shards import record_folder  # noqa: E402 - found by the line above
from trace_audit.config.settings import parse_settings  # noqa: E402
from trace_audit.core.errors import run_command  # noqa: E402
from trace_audit.core.files import read_text, read_yaml  # noqa: E402

CONFIG = Path("config/config.yaml")


def main(_: list[str]) -> int:
    settings = parse_settings(read_yaml(CONFIG, "config"), str(CONFIG))
    print(read_text(record_folder(settings.campaign) / "summary.txt", "summary of the campaign"), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
