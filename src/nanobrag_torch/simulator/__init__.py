"""Images of an experiment, and their derivatives: `simulate` for one image, `Simulation` and `series` for more."""

from nanobrag_torch.simulator.one_image import simulate as simulate
from nanobrag_torch.simulator.simulation import Simulation as Simulation
from nanobrag_torch.simulator.tiles import Explanation as Explanation
from nanobrag_torch.simulator.tiles import Progress as Progress
from nanobrag_torch.simulator.tiles import Tile as Tile
