"""`python -m nanobrag_torch`: nanoBragg's command line on torch."""

import gc

if __name__ == "__main__":
    gc.set_threshold(200_000, 50, 50)  # imports make many objects and little garbage
    from nanobrag_torch.cli.run import main

    raise SystemExit(main())
