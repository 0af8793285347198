"""`python -m nanobrag_bench`: times of the programs, and figures about the compiled code for a GPU.

`gpu-check` needs only torch; the other commands are in `commands.py`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from trace_audit.core.errors import run_command


def main(argv: Sequence[str]) -> int:
    if argv[:1] == ["gpu-check"]:
        from nanobrag_bench.gpu import check

        return check.main(list(argv[1:]))
    from nanobrag_bench import commands

    return commands.main(argv)


if __name__ == "__main__":
    sys.exit(run_command(main))
