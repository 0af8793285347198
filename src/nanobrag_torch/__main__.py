"""`python -m nanobrag_torch`: nanoBragg's command line on torch."""

import gc
import os
import sys

from nanobrag_torch.cli.run import main
from nanobrag_torch.cli.torch_start import put_off_compilers

if __name__ == "__main__":
    put_off_compilers()
    gc.set_threshold(200_000, 50, 50)  # imports make many objects and little garbage
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # all files are written and closed; taking the interpreter apart would only take time
