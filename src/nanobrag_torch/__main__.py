"""`python -m nanobrag_torch`: nanoBragg's command line on torch."""

from nanobrag_torch.cli.run import main

if __name__ == "__main__":
    raise SystemExit(main())
