"""Print the verdicts of the last run that compared anything, and where the files are."""

from trace_audit.workflow.run_hooks import show_summary

if __name__ == "__main__":
    show_summary()
