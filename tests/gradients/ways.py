"""Every way torch has to differentiate and to run a function, applied to the image of a small experiment."""

from __future__ import annotations

import contextlib
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from torch.autograd import forward_ad, functional
from torch.utils.checkpoint import checkpoint

from nanobrag_torch.parameters import Detector
from nanobrag_torch.simulator import Simulation, simulate
from tests.physics.helpers import small

BASE = small()
BASE = replace(BASE, detector=Detector(pixel_size_m=8e-3, n_fast=4, n_slow=3, distance_m=0.08, oversample=1))
TYPICAL = float(simulate(BASE).max())
VALUES = torch.tensor([50.0, 20.0, 5.0, 0.08, 0.9, 1.1], dtype=torch.float64)
TOWARDS = torch.tensor([0.1, 0.2, 0.3, 1e-3, 0.5, 0.2], dtype=torch.float64)


def experiment(values):
    """Cell, orientation, size, distance, polarization, and a scale of all amplitudes."""
    crystal = replace(
        BASE.crystal,
        cell_lengths_A=(values[0], 60.0, 70.0),
        misset_deg=(10.0, values[1], 30.0),
        n_cells=(6, values[2], 4),
    )
    detector = replace(BASE.detector, distance_m=values[3])
    beam, table = replace(BASE.beam, polarization_factor=values[4]), BASE.structure_factors.table
    table = replace(table, F_electrons=table.F_electrons * values[5])
    factors = replace(BASE.structure_factors, table=table)
    return replace(BASE, crystal=crystal, detector=detector, beam=beam, structure_factors=factors)


def image(values):
    return simulate(experiment(values), image_dtype=torch.float64) / TYPICAL


def total(values):
    return image(values).square().sum()


def leaf():
    return VALUES.clone().requires_grad_()


def gradient_of(function):
    values = leaf()
    (gradient,) = torch.autograd.grad(function(values), values)
    return gradient


def twice():
    values = leaf()
    (first,) = torch.autograd.grad(total(values), values, create_graph=True)
    (second,) = torch.autograd.grad(first @ TOWARDS, values)
    return second


def dual(grad=True):
    with torch.set_grad_enabled(grad), forward_ad.dual_level():
        return forward_ad.unpack_dual(image(forward_ad.make_dual(VALUES, TOWARDS))).tangent


def batched():
    values = leaf()
    each = torch.eye(12, dtype=torch.float64).view(12, 3, 4)
    return torch.autograd.grad(image(values), values, each, is_grads_batched=True)[0]


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def deterministic():
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def within(*contexts):
    """The gradient while these contexts are active."""
    with contextlib.ExitStack() as stack:
        for context in contexts:
            stack.enter_context(context)
        return gradient_of(total)


def in_inference_mode():
    with torch.inference_mode():
        return image(leaf()).clone()


def with_tensors_of_inference_mode():
    with torch.inference_mode():
        fluence = torch.tensor(1e24, dtype=torch.float64)

    def changed(values):
        made = experiment(values)
        made = replace(made, beam=replace(made.beam, fluence_photons_per_m2=fluence))
        return (simulate(made, image_dtype=torch.float64) / TYPICAL).square().sum()

    return gradient_of(changed)


def checkpointed(reentrant):
    values = leaf()
    checkpoint(total, values, use_reentrant=reentrant).backward()
    return values.grad


def in_threads():
    with ThreadPoolExecutor(4) as pool:
        gradients = list(pool.map(lambda _: gradient_of(total), range(4)))
    return sum(gradients) / 4


def _worker(queue):
    queue.put(gradient_of(total).tolist())


def in_process(kind):
    total(leaf()).backward()  # the parent's own threads have been at work
    context = multiprocessing.get_context(kind)
    queue = context.Queue()
    worker = context.Process(target=_worker, args=(queue,))
    worker.start()
    try:
        return torch.tensor(queue.get(timeout=120), dtype=torch.float64)
    finally:
        worker.terminate()
        worker.join()


def changed_in_place_after():
    """The image is an ordinary tensor."""

    def changed(values):
        made = simulate(experiment(values), image_dtype=torch.float64)
        made += 0.0
        made /= TYPICAL
        return made.square().sum()

    return gradient_of(changed)


def _changed_before_backward(name):
    mask = torch.ones(3, 4, dtype=torch.bool)
    fluence = torch.tensor(1e24, dtype=torch.float64)
    values = leaf()
    made = experiment(values)
    amplitudes = made.structure_factors.table.F_electrons.detach()  # in the same memory, with the same count of changes
    made = replace(
        made,
        detector=replace(made.detector, mask=mask),
        beam=replace(made.beam, fluence_photons_per_m2=fluence),
    )
    loss = (simulate(made, image_dtype=torch.float64) / TYPICAL).square().sum()
    {"mask": mask.logical_not_, "fluence": lambda: fluence.mul_(2), "amplitudes": lambda: amplitudes.mul_(2)}[name]()
    return torch.autograd.grad(loss, values)[0]


def changed_before_image():
    values = VALUES.clone()
    simulation = Simulation(experiment(values))
    values.mul_(1.01)
    return simulation.image()


def compiled_from_outside(full):
    torch.compiler.reset()

    def loss(values):
        return (simulate(experiment(values), image_dtype=torch.float64) / TYPICAL).square().sum()

    return gradient_of(torch.compile(loss, backend="aot_eager", fullgraph=full))


F = torch.func
TWO = torch.stack([VALUES, VALUES * 1.001])
# name: (what is done, what it must give)
WAYS = {
    "backward, torch.autograd.grad": (lambda: gradient_of(total), "gradient"),
    "backward twice (create_graph=True)": (twice, "hessian along"),
    "torch.autograd.functional.jacobian": (lambda: functional.jacobian(image, VALUES), "jacobian"),
    "torch.autograd.functional.jacobian, vectorize=True": (
        lambda: functional.jacobian(image, VALUES, vectorize=True),
        "jacobian",
    ),
    "torch.autograd.functional.hessian": (lambda: functional.hessian(total, VALUES), "hessian"),
    "torch.autograd.functional.vhp": (lambda: functional.vhp(total, VALUES, TOWARDS)[1], "hessian along"),
    "torch.autograd.functional.hvp": (lambda: functional.hvp(total, VALUES, TOWARDS)[1], "hessian along"),
    "torch.autograd.grad, is_grads_batched=True": (batched, "jacobian"),
    "torch.autograd.forward_ad": (dual, "tangent"),
    "torch.autograd.forward_ad under no_grad": (lambda: dual(False), "tangent"),
    "torch.func.grad": (lambda: F.grad(total)(VALUES), "gradient"),
    "torch.func.vjp": (lambda: F.vjp(image, VALUES)[1](2 * image(VALUES))[0], "gradient"),
    "torch.func.jvp": (lambda: F.jvp(image, (VALUES,), (TOWARDS,))[1], "tangent"),
    "torch.func.linearize, make_fx, torch.export": (lambda: F.linearize(image, VALUES)[1](TOWARDS), "tangent"),
    "torch.func.jacfwd": (lambda: F.jacfwd(image)(VALUES), "jacobian"),
    "torch.func.jacrev": (lambda: F.jacrev(image)(VALUES), "jacobian"),
    "torch.func.hessian": (lambda: F.hessian(total)(VALUES), "hessian"),
    "torch.func.jacrev of jacrev": (lambda: F.jacrev(F.jacrev(total))(VALUES), "hessian"),
    "torch.func.jacrev of jacfwd": (lambda: F.jacrev(F.jacfwd(total))(VALUES), "hessian"),
    "torch.func.jacfwd of jacfwd": (lambda: F.jacfwd(F.jacfwd(total))(VALUES), "hessian"),
    "torch.vmap of simulate": (lambda: F.vmap(image)(TWO)[0], "image"),
    "torch.vmap of torch.func.grad": (lambda: F.vmap(F.grad(total))(TWO)[0], "gradient"),
    "torch.func.grad of torch.vmap": (lambda: F.grad(lambda x: F.vmap(total)(x).sum())(TWO)[0], "gradient"),
    "torch.vmap of Simulation": (lambda: F.vmap(lambda x: Simulation(experiment(x)).image())(TWO)[0], "image"),
    "torch.compile from outside": (lambda: compiled_from_outside(False), "gradient"),
    "torch.compile from outside, fullgraph=True": (lambda: compiled_from_outside(True), "gradient"),
    "torch.inference_mode (images)": (in_inference_mode, "image"),
    "tensors made in inference mode": (with_tensors_of_inference_mode, "gradient"),
    "torch.autocast": (lambda: within(torch.autocast("cpu", dtype=torch.bfloat16)), "gradient"),
    "default dtype bfloat16": (lambda: within(default_dtype(torch.bfloat16)), "gradient"),
    "default dtype float64": (lambda: within(default_dtype(torch.float64)), "gradient"),
    "deterministic algorithms": (lambda: within(deterministic()), "gradient"),
    "anomaly detection": (lambda: within(torch.autograd.detect_anomaly()), "gradient"),
    "hooks on saved tensors": (lambda: within(torch.autograd.graph.save_on_cpu()), "gradient"),
    "torch.utils.checkpoint, use_reentrant=False": (lambda: checkpointed(False), "gradient"),
    "torch.utils.checkpoint, use_reentrant=True": (lambda: checkpointed(True), "gradient"),
    "several threads at once": (in_threads, "gradient"),
    "a forked process": (lambda: in_process("fork"), "gradient"),
    "a spawned process": (lambda: in_process("spawn"), "gradient"),
    "image changed in place": (changed_in_place_after, "gradient"),
    "mask changed in place before backward": (lambda: _changed_before_backward("mask"), "gradient"),
    "fluence changed in place before backward": (lambda: _changed_before_backward("fluence"), "gradient"),
    "amplitudes changed in place before backward": (lambda: _changed_before_backward("amplitudes"), "gradient"),
    "tensor changed in place after Simulation(...)": (changed_before_image, "image"),
}
