"""A second, plain statement of the physics for tests, sharing no code with either program.

`traced_pixel` states every factor of one pixel of a simple experiment; `image.photons` makes the whole image of a
command line, under `-defects none` and with every named switch. It goes its own ways where there is a choice:
quaternions for rotations, metric tensors for cells, sums of phase factors for lattices, an integral for the sphere, the
two linear polarizations for Kahn's factor, a bisection for the angles of random rotations.
"""

from tests.independent_model.traced_pixel import PlainExperiment, rot_xyz, trace_pixel

__all__ = ["PlainExperiment", "rot_xyz", "trace_pixel"]
