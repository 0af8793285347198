"""What `snakemake parity` starts from: a project whose reference is built and whose regression test has passed."""

from tests.workflow.conftest import audited_once, make_tested  # noqa: F401
