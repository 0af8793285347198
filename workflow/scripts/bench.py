"""Time both programs on one scenario: whole image, start, one traced pixel; medians over repeated runs.

Each figure is of a process of its own: wall time, CPU time, and peak resident memory as the kernel shows it until the
process ends (what wait4 reports would include this process, from which it was forked). `simulation` leaves start,
reading and writing out: the torch program times it itself (bench_torch.py); of the C program it is the whole image
less the same command on one pixel.
"""

import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from trace_audit import ledger
from trace_audit.errors import InputError
from trace_audit.files import readable_json, sha256_of_file, write_atomic
from trace_audit.job import run_job
from trace_audit.prepare import prepare_inputs
from trace_audit.scenario import ScenarioFiles, arguments, load_scenario

KILOBYTES_PER_MEGABYTE = 1024
POLL_S = 0.005


class PeakMemory:
    """Reads the largest resident memory that a process has had, every few milliseconds until `stop`."""

    def __init__(self, pid: int) -> None:
        self._status = Path(f"/proc/{pid}/status")
        self._peak_kB = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.wait(POLL_S):
            with contextlib.suppress(OSError):
                rows = [line for line in self._status.read_text().splitlines() if line.startswith("VmHWM:")]
                self._peak_kB = max([self._peak_kB, *(int(line.split()[1]) for line in rows)])

    def stop(self) -> float:
        """Ends the watch; MB."""
        self._ended.set()
        self._thread.join()
        return self._peak_kB / KILOBYTES_PER_MEGABYTE


def measure(command: list[str], folder: Path) -> dict:
    """Wall and CPU seconds, peak memory in MB, standard output of one command. Raises InputError when it fails."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as messages:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=messages)
        watcher = PeakMemory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        peak_MB = watcher.stop()
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read().decode(errors="replace")
        messages.seek(0)
        complaint = messages.read().decode(errors="replace").strip().splitlines()[-1:]
    if process.returncode != 0:
        raise InputError(f"benchmark: {Path(command[0]).name} ended with {process.returncode}: {' '.join(complaint)}")
    return {"wall_s": wall_s, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_MB": peak_MB, "stdout": text}


def repeat(command: list[str], repeats: int) -> list[dict]:
    """`repeats` measurements of a command, each in a new empty folder."""
    runs = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            runs.append(measure(command, Path(folder)))
    return runs


def row(program: str, what: str, seconds: list[float], runs: list[dict]) -> dict:
    """One line of the table: the median, and every run it comes from."""
    return {
        "program": program,
        "what": what,
        "median_s": statistics.median(seconds),
        "median_cpu_s": statistics.median(run["cpu_s"] for run in runs),
        "peak_MB": max(run["peak_MB"] for run in runs),
        "runs_s": seconds,
    }


def walls(runs: list[dict]) -> list[float]:
    return [run["wall_s"] for run in runs]


def one_pixel(slow: int, fast: int) -> list[str]:
    return ["-roi", *map(str, (fast, fast, slow, slow))]


def c_rows(name: str, binary: Path, words: list[str], pixel: tuple[int, int], repeats: int) -> list[dict]:
    """The C program: whole image, simulation alone, a traced pixel."""
    image = repeat([str(binary), *words], repeats)
    start = repeat([str(binary), *words, *one_pixel(*pixel)], repeats)
    traced = repeat([str(binary), *words, *one_pixel(*pixel), "-trace_pixel", *map(str, pixel)], repeats)
    start_s = statistics.median(walls(start))
    return [
        row(name, "image, whole process", walls(image), image),
        row(name, "image, simulation", [wall_s - start_s for wall_s in walls(image)], image),
        row(name, "traced pixel, whole process", walls(traced), traced),
    ]


def build_tuned(source: Path, folder: Path) -> Path:
    """Our C program built for this machine (`make fast`); the audit itself uses the portable build."""
    subprocess.run(["make", "-s", "-C", str(source), "fast", f"BUILD={folder}"], check=True)
    return folder / "nanobragg_fast"


def torch_rows(words: list[str], pixel: tuple[int, int], device: str, repeats: int) -> list[dict]:
    """The torch program on one device: start, whole image, simulation alone, a traced pixel; in both dtypes."""
    program = [sys.executable, "-m", "nanobrag_torch"]
    started = repeat([*program, "--version"], repeats)
    rows = [row("torch", "start (--version)", walls(started), started)] if device == "cpu" else []
    for dtype in ("float64", "float32"):
        name = f"torch {device} {dtype}"
        command = [*words, "-device", device, "-dtype", dtype]
        image = repeat([*program, *command], repeats)
        inside = repeat([sys.executable, str(Path(__file__).with_name("bench_torch.py")), *command], repeats)
        traced = repeat([*program, *command, *one_pixel(*pixel), "-trace_pixel", *map(str, pixel)], repeats)
        simulated = [json.loads(run["stdout"].splitlines()[-1])["simulation_s"] for run in inside]
        rows += [
            row(name, "image, whole process", walls(image), image),
            row(name, "image, simulation", simulated, inside),
            row(name, "traced pixel, whole process", walls(traced), traced),
        ]
    return rows


def machine() -> dict:
    """What the figures depend on."""
    import torch

    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": os.environ.get("OMP_NUM_THREADS", "unset"),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "platform": platform.platform(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def table(rows: list[dict], about: dict) -> str:
    """The medians as text."""
    lines = ["{cpu}, {cores} cores, GPU: {gpu}; python {python}, torch {torch}".format(**about)]
    lines.append(f"{'program':<20} {'what':<30} {'median s':>9} {'CPU s':>9} {'peak MB':>9}  runs")
    line = "{program:<20} {what:<30} {median_s:>9.2f} {median_cpu_s:>9.2f} {peak_MB:>9.0f}  {runs}"
    lines += [line.format(**row, runs=len(row["runs_s"])) for row in rows]
    return "\n".join(lines) + "\n"


def main(snakemake):
    scenario_file, binary = Path(snakemake.input.scenario), Path(snakemake.input.binary).resolve()
    scenario = load_scenario(str(scenario_file))
    pixel = tuple(scenario.pixels[0])
    about, repeats = machine(), snakemake.params.repeats
    with tempfile.TemporaryDirectory(prefix="inputs-") as inputs:
        files: ScenarioFiles = prepare_inputs(
            scenario, Path(inputs), hkl=Path(snakemake.input.hkl), scenario_folder=scenario_file.parent
        )
        words = arguments(scenario, files)
        rows = c_rows("C (reference)", binary, words, pixel, repeats)
        if snakemake.params.c_source:
            tuned = build_tuned(Path(snakemake.params.c_source).resolve(), Path(inputs))
            rows += c_rows("C (make fast)", tuned, words, pixel, repeats)
        for device in snakemake.params.devices:
            rows += torch_rows(words, pixel, device, repeats)
    described = {
        "scenario": scenario.name,
        "pixel_slow_fast": list(pixel),
        "machine": about,
        "binary_sha256": sha256_of_file(binary),
        "rows": rows,
    }
    write_atomic(Path(snakemake.output.json), readable_json(described))
    write_atomic(Path(snakemake.output.table), table(rows, about))
    ledger.main(["seal"])  # so that results/ still verifies


if "snakemake" in globals():
    run_job(main, snakemake)  # noqa: F821 - Snakemake puts its object here
