"""One way to run the C program and to read what it wrote."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.check_cases import CASE_B as CHECK_CASE_B


def words(text: str) -> list[str]:
    """Flags as written on a command line."""
    return text.split()


QUIET = ["-nonoise", "-nopgm", "-noprogress"]
# eight 3 mm pixels at 100 mm, an orthorhombic cell
BASE = words(
    "-cell 50 60 70 90 90 90 -distance 100 -detpixels 8 -pixel 3 -lambda 1 -oversample 1 -nonoise -nopgm -noprogress"
)
CASE_B = [*words(CHECK_CASE_B), *QUIET]
WITHOUT = "default,-{}".format  # a known defect, in -defects
WITH = "default,+{}".format


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def image(self) -> np.ndarray:
        """Float image (slow, fast) as float64; the size comes from the header of the integer image."""
        header, _ = read_smv(self.folder / "intimage.img")
        shape = int(header["SIZE2"]), int(header["SIZE1"])
        return np.fromfile(self.folder / "floatimage.bin", np.float32).reshape(shape).astype(float)

    @property
    def error(self) -> str:
        lines = [line for line in self.stderr.splitlines() if line.startswith("nanobragg: error: ")]
        assert len(lines) == 1 == len(self.stderr.splitlines()), self.stderr
        return lines[0]

    def number(self, pattern: str) -> float:
        """The number behind the first match of `pattern` in the ordinary output."""
        match = re.search(pattern + r"\s*(-?[0-9][-+.e0-9]*|-?inf)", self.stdout)
        assert match, f"{pattern!r} not in:\n{self.stdout}"
        return float(match.group(1))

    def trace(self, key: str) -> list[list[str]]:
        """Values of every `TRACE_C: key ...` line."""
        start = f"TRACE_C: {key} "
        return [line[len(start) :].split() for line in self.stdout.splitlines() if line.startswith(start)]

    def traced(self, key: str) -> list[float]:
        """Numbers of the last `TRACE_C: key ...` line."""
        return [float(text) for text in self.trace(key)[-1]]

    def setup(self, key: str) -> list[float]:
        (line,) = [line for line in self.stdout.splitlines() if line.startswith(f"TRACE_C:{key}=")]
        return [float(text) for text in line.partition("=")[2].split()]


@dataclass(frozen=True)
class Program:
    binary: Path
    folder: Path
    environment: dict | None = None

    def run(self, *arguments, files: dict[str, str | bytes] | None = None, timeout: float = 60) -> Result:
        for name, content in (files or {}).items():
            (self.folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
        done = subprocess.run(
            [self.binary, *map(str, arguments)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        return Result(done.returncode, done.stdout, done.stderr, self.folder)

    def succeed(self, *arguments, **keywords) -> Result:
        result = self.run(*arguments, **keywords)
        assert result.returncode == 0, result.stderr
        return result

    def image(self, *arguments, **keywords) -> np.ndarray:
        return self.succeed(*arguments, **keywords).image


def read_smv(path: Path) -> tuple[dict[str, str], np.ndarray]:
    """Header and pixels (slow, fast) of an SMV image."""
    data = path.read_bytes()
    n_header = int(re.match(rb"\{\nHEADER_BYTES=(\d+);", data).group(1))
    text = data[:n_header].decode()
    assert text.rstrip(" ").endswith("}\f")
    header = dict(line.rstrip(";").split("=") for line in text[2 : text.index("}")].splitlines())
    shape = int(header["SIZE2"]), int(header["SIZE1"])
    assert len(data) == n_header + 2 * shape[0] * shape[1]
    return header, np.frombuffer(data, np.uint16, offset=n_header).reshape(shape)


def write_smv(pixels: np.ndarray, extra: str = "", byte_order: str = "little_endian") -> bytes:
    """An SMV image of `pixels` (slow, fast); `extra`: more header lines."""
    header = f"{{\nHEADER_BYTES=512;\nBYTE_ORDER={byte_order};\nSIZE1={pixels.shape[1]};\nSIZE2={pixels.shape[0]};\n"
    kind = "<u2" if byte_order == "little_endian" else ">u2"
    return (header + extra + "}\f").encode().ljust(512) + pixels.astype(kind).tobytes()


def warned(result: Result, name: str) -> bool:
    """Whether the program warned of a known defect."""
    return any(line.startswith("nanobragg: warning: ") and name in line for line in result.stderr.splitlines())
