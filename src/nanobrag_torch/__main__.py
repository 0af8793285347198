"""`python -m nanobrag_torch`: nanoBragg's command line on torch."""

import gc
import os
import sys

from nanobrag_torch.torch_start import prepare

ASKS_FOR_TEXT = {"-h", "--help", "--version", "list"}

if __name__ == "__main__":
    gc.set_threshold(200_000, 50, 50)  # imports make many objects and little garbage
    if not ASKS_FOR_TEXT.intersection(sys.argv):
        prepare()  # before anything else is imported, as it goes on beside that
    from nanobrag_torch.cli.run import main

    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all files are written and closed; taking the interpreter apart would only take time
