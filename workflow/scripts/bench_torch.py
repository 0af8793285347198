"""Simulate the image of a command line once and print how long the simulation alone took, as one line of JSON."""

import json
import sys
import time

from nanobrag_torch.cli import parse
from nanobrag_torch.simulator import simulate


def main(argv: list[str]) -> None:
    invocation = parse(argv)
    started = time.perf_counter()
    image = simulate(invocation.experiment, device=invocation.device, dtype=invocation.dtype)
    brightest = float(image.max())  # waits for a GPU to finish
    print(json.dumps({"simulation_s": time.perf_counter() - started, "brightest_photons": brightest}))


if __name__ == "__main__":
    main(sys.argv[1:])
