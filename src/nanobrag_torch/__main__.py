"""`python -m nanobrag_torch`, also installed as `nanobrag-torch`: nanoBragg's command line on torch."""

import gc
import sys

from nanobrag_torch.faults import interrupts


def start() -> int:
    """Run the command line of this process; returns the exit code."""
    gc.disable()  # until a simulation is set up: imports make many objects and no garbage
    began = False
    try:
        from nanobrag_torch.cli.run import main

        began = interrupts.as_exception()
        return main()
    except KeyboardInterrupt:  # just before the command, or while it is imported by a program of the user's
        print("nanobrag_torch: error: interrupted; nothing more is written", file=sys.stderr)
        return interrupts.INTERRUPTED
    finally:
        if began:
            interrupts.end_at_once("nanobrag_torch")


if __name__ == "__main__":
    raise SystemExit(start())
