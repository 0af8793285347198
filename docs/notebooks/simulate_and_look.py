# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Simulate and look
#
# A small protein-like crystal, its diffraction image, and what becomes of the image when the crystal is larger, turned
# during the exposure, or mosaic. `jupytext --to ipynb docs/notebooks/simulate_and_look.py` makes an ordinary notebook
# of this page.

# %%
from dataclasses import replace

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import LogNorm

from nanobrag_torch import (
    Beam,
    Crystal,
    Detector,
    Experiment,
    ReflectionTable,
    Simulation,
    Spindle,
    StructureFactors,
    simulate,
)

# %% [markdown]
# ## Amplitudes
#
# Amplitudes of a protein look random: both parts of the complex number are Gaussian (Wilson statistics), and they fall
# off with resolution. A table holds one number for each (h, k, l); `read_reflections` fills it from a file.

# %%
CELL_A = (42.0, 48.0, 56.0)
LIMIT = 24
generator = torch.Generator().manual_seed(1)
size = (2 * LIMIT + 1,) * 3
index = torch.arange(-LIMIT, LIMIT + 1, dtype=torch.float64)
inverse_d_sqr = sum(
    (index / edge).square().reshape([-1 if axis == other else 1 for other in range(3)])
    for axis, edge in enumerate(CELL_A)
)
parts = torch.randn(2, *size, generator=generator, dtype=torch.float64)
F = 150.0 * parts.square().sum(0).sqrt() * torch.exp(-20.0 * inverse_d_sqr / 4.0)
F[LIMIT, LIMIT, LIMIT] = 0.0  # the direct beam
table = ReflectionTable(F_electrons=F, h_min=-LIMIT, k_min=-LIMIT, l_min=-LIMIT)

# %% [markdown]
# ## A still image

# %%
experiment = Experiment(
    crystal=Crystal(cell_lengths_A=CELL_A, misset_deg=(12.0, 25.0, 40.0), n_cells=(12, 12, 12)),
    beam=Beam(wavelength_m=1.0e-10, fluence_photons_per_m2=1e28),
    detector=Detector(n_fast=300, n_slow=300, pixel_size_m=0.35e-3, distance_m=0.1, oversample=1),
    structure_factors=StructureFactors(table=table, interpolate=False),
)
still = simulate(experiment, dtype=torch.float32)
print(f"{still.shape[0]} x {still.shape[1]} pixels, brightest {still.max():.3g} photons")


# %%
def show(panels, columns=2):
    """Images side by side, each from its peak down four decades."""
    rows = -(-len(panels) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.2 * columns, 4.2 * rows), squeeze=False)
    for axis, (title, image) in zip(axes.flat, panels.items(), strict=True):
        top = float(image.max())
        axis.imshow(image.clamp(min=1e-4 * top), norm=LogNorm(1e-4 * top, top), cmap="magma")
        axis.set(title=title, xticks=[], yticks=[])
    figure.tight_layout()
    plt.show()


show({"still": still}, columns=1)

# %% [markdown]
# Spots lie on circles where the Ewald sphere cuts planes of the reciprocal lattice. Between them are the side maxima
# of a crystal of only 12 cells along each edge.
#
# ## Larger, turning, mosaic

# %%
larger = replace(experiment, crystal=replace(experiment.crystal, n_cells=(30, 30, 30)))
turning = replace(larger, spindle=Spindle(phi_start_deg=0.0, osc_deg=1.0, phisteps=20))
mosaic = replace(
    larger,
    crystal=replace(larger.crystal, mosaic_spread_rad=torch.deg2rad(torch.tensor(0.8)).item(), mosaic_domains=20),
)
images = {
    "12 cells along each edge": still,
    "30 cells": simulate(larger, dtype=torch.float32),
    "30 cells, turning by 1 degree": simulate(turning, dtype=torch.float32),
    "30 cells, 20 domains within 0.8 degrees": simulate(mosaic, dtype=torch.float32),
}
show({title: image[90:210, 90:210] for title, image in images.items()})  # the middle

# %% [markdown]
# More cells make sharper spots, and a still image hits fewer of them at their peak. Turning sweeps the lattice through
# the Ewald sphere; each mosaic domain has its own orientation and adds its own spots.
#
# ## What made the image

# %%
print(Simulation(turning, dtype=torch.float32).explain())
