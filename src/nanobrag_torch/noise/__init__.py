"""Noise of a counting or integrating detector, by a counter-based generator: the same numbers wherever they are drawn.

The counts of a pixel depend on a seed, the number of its frame, its own number, and its expected photons, and on
nothing else: not from the device, the tile, the thread, the shard, or how many frames are made at once. Every step is
an operation that IEEE 754 rounds exactly (+, -, x, /, square root, floor, comparison) or acts on whole numbers, in a
fixed order, so that compiled code gives the bytes of torch's own operations. docs/noise.md.

`philox.py`: the generator. `functions.py`: logarithm, exponential, normal quantile. `poisson.py`: photons.
`detector.py`: from expected photons to stored counts. `compiled.py`: the same as C and as CUDA (`noise.c`).
"""

from nanobrag_torch.noise.detector import DetectorNoise as DetectorNoise
from nanobrag_torch.noise.detector import Stream as Stream
