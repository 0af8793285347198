"""Print the verdicts of the last run that compared anything, and where the files are."""

from trace_audit.core.errors import run_command
from trace_audit.workflow.run_hooks import show_summary


def main(_: list[str]) -> int:
    show_summary()
    return 0


if __name__ == "__main__":
    raise SystemExit(run_command(main))
