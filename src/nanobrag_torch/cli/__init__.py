"""The command line: nanoBragg's flags, checked against one table."""

from nanobrag_torch.cli.invocation import Invocation, Outputs
from nanobrag_torch.cli.parse import parse
from nanobrag_torch.cli.run import main
from nanobrag_torch.cli.tokens import UsageError

__all__ = ["Invocation", "Outputs", "UsageError", "main", "parse"]
