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
# # Gradient descent on a crystal
#
# An image with counting noise, and a crystal whose cell and orientation are known roughly. The image has derivatives by
# all of them, so an ordinary optimiser of torch finds the true values. For real data there is more to think of
# ([refinement](../refinement.html)); here the loop is bare, so that every step is seen.

# %%
import matplotlib.pyplot as plt
import torch
from matplotlib.colors import LogNorm

from nanobrag_torch import Beam, Crystal, Detector, Experiment, StructureFactors, simulate

_ = torch.manual_seed(0)

# %% [markdown]
# ## The measurement
#
# Six numbers are hidden: the edges of the cell and three angles of orientation.

# %%
TRUTH = torch.tensor([40.0, 46.0, 52.0, 12.0, 25.0, 40.0], dtype=torch.float64)
NAMES = ("a (A)", "b (A)", "c (A)", "misset x (deg)", "misset y (deg)", "misset z (deg)")


def photons(values, cells=6):
    """The image for six values; fewer cells make wider spots."""
    edges, misset = values[:3], values[3:]
    experiment = Experiment(
        crystal=Crystal(cell_lengths_A=tuple(edges), misset_deg=tuple(misset), n_cells=(cells,) * 3),
        beam=Beam(wavelength_m=1.0e-10, fluence_photons_per_m2=1e28 * (6 / cells) ** 6),
        detector=Detector(n_fast=96, n_slow=96, pixel_size_m=1.0e-3, distance_m=0.1, oversample=1),
        structure_factors=StructureFactors(default_F=100.0),
    )
    return simulate(experiment, image_dtype=torch.float64)


measured = torch.poisson(photons(TRUTH))
print(f"{measured.sum():.4g} photons")

# %% [markdown]
# ## The start
#
# Each edge is off by about half a percent, each angle by some tenths of a degree.

# %%
START = TRUTH + torch.tensor([0.2, -0.2, 0.25, 0.3, -0.25, 0.3], dtype=torch.float64)

# %% [markdown]
# ## The loss, and its slope
#
# Square roots of counts have about the same noise everywhere, so their differences are a fair measure of misfit. The
# derivative by all six numbers costs about as much as a few images.

# %%
values = START.clone().requires_grad_()


def loss(cells):
    return (torch.sqrt(photons(values, cells) + 1.0) - torch.sqrt(measured + 1.0)).square().mean()


start = loss(6)
start.backward()
print(f"loss {start:.4f}")
for name, slope in zip(NAMES, values.grad, strict=True):
    print(f"{name:15s} {slope: .3f}")

# %% [markdown]
# ## Descent
#
# The spots of the start hardly touch those of the measurement. So the first steps take a crystal of three cells, whose
# spots are twice as wide; the next ones the true size.

# %%
history = []
for cells, iterations in ((3, 12), (6, 25)):
    optimiser = torch.optim.LBFGS([values], max_iter=iterations, line_search_fn="strong_wolfe")

    def closure(cells=cells, optimiser=optimiser):
        optimiser.zero_grad()
        now = loss(cells)
        now.backward()
        history.append((cells, now.item(), values.detach().clone()))
        return now

    optimiser.step(closure)

found = values.detach()
for name, first, value, truth in zip(NAMES, START, found, TRUTH, strict=True):
    print(f"{name:15s} start {first:8.3f}   found {value:9.4f}   truth {truth:8.3f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4))
left.semilogy([value for _, value, _ in history])
left.set(xlabel="image and derivative", ylabel="loss", title="misfit")
off = torch.stack([(now - TRUTH).abs() for _, _, now in history])
for column, name in enumerate(NAMES):
    right.semilogy(off[:, column], label=name)
right.set(xlabel="image and derivative", title="distance from the truth")
right.legend(fontsize=7)
figure.tight_layout()
plt.show()

# %% [markdown]
# ## Before and after

# %%
with torch.no_grad():
    panels = {"measured": measured, "start": photons(START), "found": photons(found)}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8))
top = float(measured.max())
for axis, (title, image) in zip(axes, panels.items(), strict=True):
    axis.imshow(image.clamp(min=1e-3 * top), norm=LogNorm(1e-3 * top, top), cmap="magma")
    axis.set(title=title, xticks=[], yticks=[])
figure.tight_layout()
plt.show()

# %% [markdown]
# What is left should be noise and nothing else: a mean of 1 for the squared difference over the variance.

# %%
left_over = ((measured - panels["found"]).square() / panels["found"].clamp(min=1.0))[panels["found"] > 5.0].mean()
print(f"{left_over:.3f}")
assert (found - TRUTH).abs().max() < 0.02 and 0.8 < left_over < 1.25
