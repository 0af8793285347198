"""`python -m nanobrag_torch.gradients` prints docs/gradients.md."""

from __future__ import annotations

from importlib import resources

from nanobrag_torch.faults import guarded
from nanobrag_torch.gradients import parameters


def table_text() -> str:
    """docs/gradients.md."""
    head = (
        "# What the image can be differentiated by\n\n"
        "Made from `src/nanobrag_torch/gradients/table.py` by "
        "`python -m nanobrag_torch.gradients > docs/gradients.md`; a test compares the two.\n\n"
        "Any number of an `Experiment` may be a 0-d tensor that requires a gradient.\n\n"
        "* **differentiable**: the gradient is exact wherever the image has one. With amplitudes taken from the "
        "nearest reflection the image jumps where a fractional index passes a half; there the gradient is that of one "
        "side.\n"
        "* **piecewise**: as above, between the places that the table names.\n"
        "* **none**: no gradient, and why.\n\n"
        "The column *C* says whether the gradient audit (`snakemake gradients`) holds the gradient to differences of "
        "the C program's images. A pixel counts at steps that are small enough for it to stay with its reflections, or "
        "in its cell of interpolated amplitudes; more than 5 % of the pixels without such a step fail the audit. Where "
        "a gradient is wrong, the audit names the stage: that of the first value, in the order of computation, whose "
        "derivative is not that of its own differences. `python -m trace_audit.derivatives.gradients run` takes "
        "`--backend compiled` and `--device cuda` to audit the gradients of that code.\n\n"
        "| parameter | unit | field of `Experiment` | gradient | C | why, and where not |\n|---|---|---|---|---|---|\n"
    )
    rows = (
        f"| {p.name} | {p.unit.name} | `{p.field}` | {p.kind} | {'yes' if p.flags else ''} | {p.why} |\n"
        for p in parameters().values()
    )
    second = (
        "\nSecond derivatives are promised, and checked with `gradgradcheck`, for the cell, the misset, the distance "
        "and the beam centre with every shape but TOPHAT. The trace and the image share one path, so these gradients "
        "hold for every traced quantity too.\n"
    )
    return head + "".join(rows) + second + ways_text()


def ways_text() -> str:
    """The part about the ways torch has: what the test of all of them wrote."""
    return (
        "\n## Ways to differentiate\n\n"
        "An image of few steps (samples of pixels, sources and orientations) keeps torch's graph of all of them: "
        "*whole graph*. A larger one is one step of the graph, worked out again tile by tile when a derivative is "
        "wanted, so that memory does not grow with the image: *tiles*, by eager code, or *compiled*. "
        "Compiled are first derivatives by every row of the table above, amplitudes and each source's own numbers "
        "included, in one program for all samples, layers and sources of a pixel; derivatives that run forward, and "
        "second ones, are eager. "
        "Derivatives by amplitudes are the same bytes for any number of threads, and take 8 bytes of memory a thread "
        "for each element of the table ([compiled.md](compiled.md#how-code-is-made)). "
        "`print(Simulation(...).explain())` says which it is, and why. Whatever is read again for a derivative is "
        "guarded: a tensor of the experiment that was changed in place since is an error, never another gradient. A "
        "parameter that nothing reads has the gradient 0.\n\n"
        "`python -m tests.gradients.test_ways` makes this table by running every way on every path, and a test holds "
        "each outcome to it. The numbers are those of the sentences below, with which a way is refused.\n\n"
        + resources.files("nanobrag_torch.gradients").joinpath("ways.md").read_text(encoding="utf-8")
    )


def _print() -> int:
    print(table_text(), end="")
    return 0


if __name__ == "__main__":
    raise SystemExit(guarded("nanobrag_torch.gradients", _print))
