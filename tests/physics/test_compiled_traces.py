"""Compiled code is traced: by the program of the image, with its names, and told apart from eager code."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from dataclasses import replace

import pytest
import torch

from nanobrag_torch import cli
from nanobrag_torch.backends.compiled import cache, tracing
from nanobrag_torch.backends.compiled.launch import CompiledBackend
from nanobrag_torch.backends.compiled.programs import PROGRAMS, needed, of_image
from nanobrag_torch.backends.compiled.recording import source_of
from nanobrag_torch.backends.compiled.tracing import TracingBackend
from nanobrag_torch.backends.eager import EagerBackend
from nanobrag_torch.integrate import integrate, photons
from nanobrag_torch.io.smv import read_smv_header
from nanobrag_torch.parameters import Beam, StructureFactors
from nanobrag_torch.simulator import Simulation
from nanobrag_torch.trace import trace_lines, trace_simulation
from tests.c_program import needs_compiler
from tests.physics.emulated_gpu import EmulatedGpu, build_text, needs_cpp
from tests.physics.helpers import per_term, small
from tests.physics.test_compiled import SEVERAL

BASE = small()
DTYPES = {"float64": torch.float64, "float32": torch.float32}
EXPERIMENTS = {
    "one_program": BASE,
    "no_table": replace(BASE, structure_factors=StructureFactors(default_F=3.0)),
    "round": replace(BASE, crystal=replace(BASE.crystal, shape="ROUND")),
    "samples": per_term(BASE),
    "samples_and_sources": SEVERAL,
    "sources": replace(
        BASE,
        beam=replace(BASE.beam, hdiv_range_rad=1e-3, hdiv_steps=3, vdiv_range_rad=1e-3, vdiv_steps=3),
        structure_factors=replace(BASE.structure_factors, d_min_m=4e-10),
    ),
    "unpolarized": replace(BASE, beam=Beam(wavelength_m=1.1e-10, polarized=False)),
}
PIXEL = (10, 20)  # slow, fast: the brightest


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture
def always(kept, monkeypatch):
    monkeypatch.setenv(cache.DIRECTORY_VARIABLE, str(kept))
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "always")


def statements(text: str) -> list[str]:
    """The lines of a program but for its head, which names its outputs."""
    return [line for line in text[text.index("ENTRY run") :].splitlines()[1:] if line not in "{}"]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_traced_program_has_every_statement_of_the_image_in_their_order(program, dtype):
    model = Simulation(per_term(BASE) if program != "photons" else BASE, dtype=DTYPES[dtype]).model
    plain, nothing = source_of(PROGRAMS[program], model)
    traced, watched = source_of(PROGRAMS[program].tracing(), model)
    remaining = iter(statements(traced))
    declared = [line for line in statements(plain) if not line.endswith("[BLOCK];")]
    assert all(line in remaining for line in declared), "a statement is missing, or stands elsewhere"
    assert nothing == [] and len(watched) >= 8


def test_the_text_reads_like_the_kernel():
    text, _ = source_of(PROGRAMS["photons_in_float32"], Simulation(BASE).model)
    numbers = re.findall(r"^const \w+ (\w+) = .*;$", text, re.MULTILINE)
    for name in ("q_per_m_0", "hkl_1", "hkl_rounded_2", "hkl_fraction_1", "interference_0", "F_cell", "intensity"):
        assert name in numbers
    for name in ("I_before_scaling", "kahn_factor", "omega_sr", "photons", "position_m_2", "pixel_distance_m"):
        assert name in numbers
    assert "const double *__restrict__ geometry_fdet" in text and "n_cells[0]" in text
    body = text[text.index("ENTRY run") :].splitlines()
    assert not [line for line in body if line.startswith("const ") and line.count(";") != 1]


def numbers_of(lines) -> dict[tuple[str, int], list[float]]:
    """The numbers of each line of a trace, by what it begins with and its turn."""
    stored: dict[tuple[str, int], list[float]] = {}
    for line in lines:
        key, count = re.split(r"[ =]", line.replace(": ", ":", 1))[0], 0
        while (key, count) in stored:
            count += 1
        stored[key, count] = [float(x) for x in re.findall(r"(?<![\w.])-?\d+\.?\d*(?:e[-+]\d+)?(?![\w.])", line)]
    return stored


@needs_compiler
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", EXPERIMENTS)
def test_compiled_and_eager_code_print_the_same_keys(name, dtype, always, monkeypatch):
    simulation = Simulation(EXPERIMENTS[name], dtype=DTYPES[dtype])
    assert isinstance(simulation.tracing_backend(), TracingBackend)
    compiled = numbers_of(trace_lines(EXPERIMENTS[name], *PIXEL, dtype=DTYPES[dtype]))
    monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", "never")
    assert isinstance(simulation.__class__(EXPERIMENTS[name]).tracing_backend(), EagerBackend)
    eager = numbers_of(trace_lines(EXPERIMENTS[name], *PIXEL, dtype=DTYPES[dtype]))
    assert compiled.keys() == eager.keys()
    tolerance = 1e-9 if dtype == "float64" else 2e-5
    for key, values in eager.items():
        largest = max(map(abs, values), default=0.0)
        assert compiled[key] == pytest.approx(values, rel=tolerance, abs=tolerance * largest), key


@needs_compiler
def test_traced_values_are_those_of_the_compiled_program(always, kept):
    """Not of eager code: a program on disk that computes something else is what the trace shows."""
    simulation = Simulation(BASE)
    (name,) = needed(simulation.model, torch.float32)
    package = cache.keep(PROGRAMS[name].tracing(), simulation.model, kept)
    source = package.with_suffix(".c")
    text = source.read_text()
    changed = re.sub(r"(const double omega_sr = .*);", r"\1 * 1.5;", text, count=1)
    assert changed != text
    library = package.with_name("other.so")
    (kept / "other.c").write_text(changed)
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", str(kept / "other.c"), "-o", str(library), "-lm"], check=True)
    record = json.loads(package.with_suffix(".json").read_text())
    record["sha256"] = hashlib.sha256(library.read_bytes()).hexdigest()
    library.with_suffix(".json").write_text(json.dumps(record))
    seen: dict[str, torch.Tensor] = {}
    backend = TracingBackend(simulation.model, {name: library})
    fast, slow = torch.tensor([PIXEL[1]]), torch.tensor([PIXEL[0]])
    got = photons(simulation.model, fast, slow, backend, torch.float32, hooks=lambda n, v, place: seen.setdefault(n, v))
    right = integrate(simulation.model, fast, slow)
    torch.testing.assert_close(seen["omega_sr"], 1.5 * right.omega_sr)
    torch.testing.assert_close(got, 1.5 * right.photons.float())


@needs_compiler
@pytest.mark.parametrize("experiment", ["one_program", "samples"])
@pytest.mark.parametrize("moved", ["omega_sr", "hkl", "F_latt_axes", "F_cell", "intensity"])
def test_a_fault_built_into_compiled_code_shows_in_its_trace(moved, experiment, tmp_path):
    simulation = Simulation(EXPERIMENTS[experiment])
    right = numbers_of(trace_simulation(simulation, *PIXEL))
    faulty = tracing.with_hooks(
        simulation.model, torch.float32, lambda name, v, place: v * 1.001 if name == moved else v, tmp_path
    )
    wrong = numbers_of(trace_simulation(simulation, *PIXEL, backend=faulty))
    keys = {"omega_sr": "omega_pixel_sr", "hkl": "hkl_frac", "F_latt_axes": "F_latt_b", "F_cell": "F_cell"}
    key = ("TRACE_PY:" + keys.get(moved, "I_before_scaling"), 0)
    assert wrong[key][0] == pytest.approx(right[key][0] * 1.001, rel=1e-9)
    above = ("TRACE_PY:pixel_pos_meters", 0)
    assert wrong[above] == pytest.approx(right[above], rel=1e-13)
    last = ("TRACE_PY:floatimage_accumulated", 0)
    assert abs(wrong[last][0] / right[last][0] - 1) > 5e-4


@needs_compiler
def test_the_record_says_how_a_program_was_built(always, kept):
    simulation = Simulation(BASE)
    with torch.no_grad():
        simulation.image()
    assert isinstance(simulation.backend(), CompiledBackend)
    image, trace = simulation.made_by, simulation.tracing_backend().description
    assert image.compiler == trace.compiler and "-O3" in image.compiler
    for made in (image, trace):
        texts = [hashlib.sha256(path.read_bytes()).hexdigest() for path in kept.glob("*.c")]
        assert made.name == "compiled" and made.source_sha256 in texts


_EXPERIMENT = "-cell 50 60 70 90 90 90 -misset 10 20 30 -default_F 100 -N 5 -lambda 1 -detpixels 33 -oversample 1"
SMALL = [*_EXPERIMENT.split(" "), "-nonoise", "-nopgm", "-trace_pixel", "17", "17", "-hdf5file", "image.h5"]


@needs_compiler
def test_the_command_line_says_what_made_trace_and_image(always, tmp_path, monkeypatch, capsys):
    import h5py

    monkeypatch.chdir(tmp_path)
    printed = {}
    for mode in ("never", "always"):
        monkeypatch.setenv("NANOBRAG_TORCH_COMPILE", mode)
        assert cli.main(SMALL) == 0
        printed[mode] = capsys.readouterr().out.splitlines()
        first = next(i for i, line in enumerate(printed[mode]) if line.startswith("TRACE_PY"))
        with h5py.File("image.h5") as file:
            said = file["entry/program/backend"][()].decode()
        header = read_smv_header("intimage.img")
        if mode == "never":
            assert printed[mode][first - 1] == "trace by eager code" and "image by eager code" in printed[mode]
            assert said == "eager code" and "BACKEND" not in header
            continue
        pattern = r"trace by compiled code \(source sha256 [0-9a-f]{64}; .* -O3 .*\)"
        assert re.fullmatch(pattern, printed[mode][first - 1])
        (line,) = (line for line in printed[mode] if line.startswith("image by compiled code (source sha256 "))
        assert line == f"image by {said}"
        assert header["BACKEND"] == "compiled" and header["BACKEND_SHA256"] in said
        assert header["BACKEND_COMPILER"] in said
    traces = [[line for line in lines if line.startswith("TRACE")] for lines in printed.values()]
    assert numbers_of(traces[0]).keys() == numbers_of(traces[1]).keys()


@needs_cpp
@pytest.mark.parametrize("name", ["one_program", "samples", "sources", "samples_and_sources"])
def test_the_text_for_a_gpu_returns_the_same_values(name, tmp_path):
    model = Simulation(EXPERIMENTS[name]).model
    program = PROGRAMS[of_image(model, torch.float64)].tracing()
    text, watched = source_of(program, model, device="cuda")
    build_text(text, tmp_path / "gpu.so")
    fast, slow = torch.arange(15, 22, dtype=torch.int32), torch.full((7,), PIXEL[0], dtype=torch.int32)
    rays, orientations = 7, model.real_m.shape[0]
    terms = model.samples * model.source_count
    shapes = [tracing.store_shape(watched_value, terms, orientations, rays) for watched_value in watched]
    stores = [
        torch.empty(shape, dtype=getattr(torch, watched_value.dtype))
        for watched_value, shape in zip(watched, shapes, strict=True)
    ]
    got = torch.empty(rays, dtype=torch.float64)
    arguments = [*program.inputs(model).values(), fast, slow, got, *stores]
    with (tmp_path / "gpu.so").open("rb") as file:
        EmulatedGpu(file)(arguments, rays, orientations)
    seen: dict[str, torch.Tensor] = {}
    single = EagerBackend(model)
    single.rays_at_once = 1  # so that what is seen last is of the last sample
    expected = integrate(model, fast, slow, single, lambda name, value, place: seen.update({name: value}) or value)
    torch.testing.assert_close(got, expected.photons, rtol=1e-12, atol=0)
    for watched_value, store in zip(watched, stores, strict=True):
        value = seen[watched_value.name]
        if not isinstance(value, torch.Tensor):
            continue
        ordered = tracing.in_shape(watched_value, store)
        ordered = ordered[-1] if watched_value.of_terms else ordered
        expected_value = value.expand(ordered.shape).to(store.dtype)
        scale = float(expected_value.double().abs().max())
        torch.testing.assert_close(ordered, expected_value, rtol=1e-9, atol=1e-9 * scale, msg=watched_value.name)


def test_the_record_is_json(tmp_path, monkeypatch):
    """So that other programs can read what a program returns."""
    model = Simulation(BASE).model
    _, watched = source_of(PROGRAMS["photons"].tracing(), model)
    assert json.loads(json.dumps(watched)) == [[w.name, list(w.shape), *w[2:]] for w in watched]
