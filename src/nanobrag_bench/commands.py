"""Build what is compared, measure one part, make tables and pictures of all parts; look at the code for a GPU.

python -m nanobrag_bench build --source src/nanobragg_c --folder build/bench --record programs.json
python -m nanobrag_bench compile --config SCENARIO.yaml --cache build/bench/torch --record compiled.json
python -m nanobrag_bench measure kernel --config SCENARIO.yaml --programs programs.json --cache FOLDER --out kernel.json
python -m nanobrag_bench show kernel.json ... --folder results/bench
python -m nanobrag_bench gpu-check                    # on a machine with a GPU: checks and times, needs torch alone
python -m nanobrag_bench gpu-code --nvcc nvcc         # registers and instructions of the CUDA code; needs no GPU
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nanobrag_bench.case import Bench, Sizes, scenario_words, steps
from nanobrag_bench.documents import PartResult, Programs
from nanobrag_bench.programs import build_all, c_programs
from trace_audit.core.documents import read_document
from trace_audit.core.files import readable_json, write_atomic


def build(options: argparse.Namespace) -> None:
    record = build_all(options.source, options.folder, options.external, options.compiler)
    write_atomic(options.record, readable_json(record))


def compile_torch(options: argparse.Namespace) -> None:
    from nanobrag_bench import compiled

    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        name, argv = scenario_words(options.config, options.hkl, Path(inputs))
        images = {f"image of {name}": argv, "many samples a pixel": [*argv, *steps(sources=4, oversample=4)]}
        write_atomic(options.record, readable_json(compiled.build(options.cache, images)))


def measure(options: argparse.Namespace) -> None:
    from nanobrag_bench.machine import machine
    from nanobrag_bench.parts import PARTS

    about, record = machine(), read_document(options.programs, "programs", Programs)
    sizes = Sizes(**{name: getattr(options, name) for name in Sizes._fields})
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        name, argv = scenario_words(options.config, options.hkl, Path(inputs))
        bench = Bench(name, argv, c_programs(record), options.cache, options.repeats, sizes)
        result = PARTS[options.part](bench)
    described = {"part": options.part, "scenario": name, "machine": about, "build": record, **result}
    write_atomic(options.out, readable_json(described))


def show(options: argparse.Namespace) -> None:
    from nanobrag_bench import plots, table
    from nanobrag_bench.machine import in_words

    results: dict[str, dict[str, Any]] = {}
    for path in options.results:
        result = read_document(path, "results of the benchmark", PartResult)
        results[result["part"]] = result
    about = next(iter(results.values()))["machine"]
    for part, result in results.items():
        write_atomic(options.folder / f"{part}.svg", plots.svg(part, result, in_words(result["machine"])))
    write_atomic(options.folder / "table.txt", table.text(results, about))
    write_atomic(options.folder / "readme_table.md", table.markdown(results, about))


def gpu_code(options: argparse.Namespace) -> None:
    from nanobrag_bench.gpu.code import table

    print(table(options.nvcc, options.architectures))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m nanobrag_bench", description=__doc__, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    commands = parser.add_subparsers(required=True)

    def command(name: str, work: Callable[[argparse.Namespace], int | None], **more: Any) -> argparse.ArgumentParser:
        added = commands.add_parser(name, allow_abbrev=False, **more)
        added.set_defaults(work=work)
        return added

    building = command("build", build, help="build the C programs")
    building.add_argument("--source", type=Path, required=True, help="our C source")
    building.add_argument("--folder", type=Path, required=True, help="where the programs go")
    building.add_argument("--external", type=Path, help="a nanoBragg that is there already, to be measured too")
    building.add_argument("--compiler", default="gcc")
    building.add_argument("--record", type=Path, required=True)
    compiling = command("compile", compile_torch, help="build the torch program's compiled code ahead")
    compiling.add_argument("--record", type=Path, required=True)
    measuring = command("measure", measure, help="measure one part")
    measuring.add_argument("part")
    measuring.add_argument("--programs", type=Path, required=True, help="record of `build`")
    measuring.add_argument("--repeats", type=int, default=5)
    for name, pixels in {"large": 1024, "memory": 1024, "huge": 16384, "gradient": 1024, "steps": 512}.items():
        measuring.add_argument(f"--{name}", type=int, default=pixels, metavar="PIXELS")
    measuring.add_argument("--out", type=Path, required=True)
    for added in (compiling, measuring):
        added.add_argument("--config", type=Path, required=True, metavar="FILE", help="scenario")
        added.add_argument("--hkl", type=Path, help="its structure factors, hkl text")
        added.add_argument("--cache", type=Path, required=True, help="folder of compiled code")
    looking = command("gpu-code", gpu_code, help="table of registers, spills and instructions a step of the CUDA code")
    looking.add_argument("--nvcc", type=Path, default=Path("nvcc"), help="the compiler; cuobjdump lies beside it")
    looking.add_argument("--architectures", nargs="+", default=["sm_80", "sm_90"], metavar="SM")
    showing = command("show", show, help="tables and pictures of what was measured")
    showing.add_argument("results", type=Path, nargs="+")
    showing.add_argument("--folder", type=Path, required=True)
    return parser


def main(argv: Sequence[str]) -> int:
    options = _parser().parse_args(argv)
    options.work(options)
    return 0
