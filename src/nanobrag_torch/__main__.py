"""`python -m nanobrag_torch`, also installed as `nanobrag-torch`: nanoBragg's command line on torch."""

import gc


def start() -> int:
    """Run the command line of this process; returns the exit code."""
    gc.set_threshold(200_000, 50, 50)  # imports make many objects and little garbage
    from nanobrag_torch.cli.run import main

    return main()


if __name__ == "__main__":
    raise SystemExit(start())
