"""`python -m nanobrag_torch`, also installed as `nanobrag-torch`: nanoBragg's command line on torch."""

import gc
import sys


def start() -> int:
    """Run the command line of this process; returns the exit code."""
    gc.set_threshold(200_000, 50, 50)  # imports make many objects and little garbage
    try:
        from nanobrag_torch.cli.run import main

        return main()
    except KeyboardInterrupt:  # while it is imported
        print("nanobrag_torch: error: interrupted; nothing more is written", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(start())
