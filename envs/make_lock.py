"""`make lock`: writes envs/lock/ from the direct dependencies of requirements.txt, docs.txt and roc-validator.txt.

Every package at one version, with the sha256 of every file that the index has of it: names, versions and hashes, no
addresses. One set of files serves every python and platform that the table at the end names. Four parts, because they
are installed in different ways: wheels.txt; source.txt, of which the index has no wheel; torch.txt, the build for CUDA
with what it needs; uv.txt, which installs the others. Versions of the present lock stay where they can; `make lock
UPGRADE=1` takes the newest. Needs uv in .venv (it is part of the lock) and the network.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ENVS = Path(__file__).resolve().parent
LOCK = ENVS / "lock"
sys.path.insert(0, str(ENVS.parent / "src"))

from nanobrag_torch.faults import guarded  # noqa: E402 - found by the line above

UV = Path(sys.executable).parent / "uv"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin")
OF_TORCH = re.compile(r"(torch|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
# Without a wheel: for every python, or from this one on, for which a C compiler and python's headers are needed.
NO_WHEEL = {"connection-pool": None, "immutables": "3.14"}
PARTS = ("wheels", "source", "torch", "uv")
HEADS = {
    "wheels": "Installed as wheels, nothing is built.",
    "source": "The index has no wheel of these; built by the setuptools of wheels.txt.",
    "torch": "The build of torch that the index has, for CUDA on Linux, and what only it needs.",
    "uv": "Installs the other parts.",
    "docs": "What make docs installs in .venv-docs.",
    "roc-validator": "What make crate-check installs in .venv-roc.",
}


def compiled(direct: Path, parts: tuple[str, ...]) -> list[str]:
    """The blocks of a universal lock: a line `name==version ; marker`, its hashes, who needs it.

    Versions that the present `parts` have stay, where they can.
    """
    words = ["pip", "compile", "--universal", "--generate-hashes", "--no-header", "--quiet", "--no-config"]
    words += ["--python-version", PYTHONS[0], *sys.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "lock.txt")
        out.write_text("".join((LOCK / f"{part}.txt").read_text() for part in parts if (LOCK / f"{part}.txt").exists()))
        uv(*words, "--output-file", str(out), str(direct.relative_to(ENVS.parent)))
        return re.findall(r"^[a-z].*?(?=^[a-z]|\Z)", out.read_text(), re.MULTILINE | re.DOTALL)


def uv(*words: str) -> str:
    """What uv prints; its indices are its own, whatever this machine is set to."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("UV_")}
    environment |= {"MACOSX_DEPLOYMENT_TARGET": "14.0"}  # torch has no wheel for an older macOS
    done = subprocess.run([UV, *words], cwd=ENVS.parent, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"error: uv {' '.join(words)}:\n{done.stderr}", file=sys.stderr)
        raise SystemExit(2)
    return done.stdout


def sorted_into_parts(blocks: list[str]) -> dict[str, str]:
    """The text of each part of the main lock."""
    parts = dict.fromkeys(PARTS, "")
    for block in blocks:
        name = block.split("==")[0]
        if name in NO_WHEEL and NO_WHEEL[name] is None:
            parts["source"] += block
        elif name in NO_WHEEL:
            parts["source"] += for_pythons(block, f">= '{NO_WHEEL[name]}'")
            parts["wheels"] += for_pythons(block, f"< '{NO_WHEEL[name]}'")
        else:
            parts["torch" if OF_TORCH.match(block) else "uv" if name == "uv" else "wheels"] += block
    return parts


def for_pythons(block: str, which: str) -> str:
    """A block without a marker, with one."""
    return re.sub(r"\A(\S+==\S+) \\", rf"\1 ; python_full_version {which} \\", block)


def write(name: str, text: str) -> None:
    """One part, with its heading."""
    head = f"# Made by `make lock`; do not edit. {HEADS[name]}\n"
    (LOCK / f"{name}.txt").write_text(head + text, encoding="utf-8")
    print(f"envs/lock/{name}.txt: {len(re.findall(r'^[a-z]', text, re.MULTILINE))} packages")


def check_wheels() -> None:
    """Print for which pythons and platforms the index has a wheel of everything that must be one; stop if not."""
    for python in PYTHONS:
        for platform in PLATFORMS:
            words = ["pip", "install", "--dry-run", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
            words += ["--python-version", python, "--python-platform", platform, "--target", str(ENVS.parent / "build")]
            uv(*words, "--quiet", "-r", "envs/lock/wheels.txt", "-r", "envs/lock/torch.txt")
            print(f"wheels for python {python} on {platform}: all")


def main() -> int:
    """Write the parts, then ask the index whether they can be installed."""
    LOCK.mkdir(exist_ok=True)
    for name, text in sorted_into_parts(compiled(ENVS / "requirements.txt", PARTS)).items():
        write(name, text)
    for name in ("docs", "roc-validator"):
        write(name, "".join(compiled(ENVS / f"{name}.txt", (name,))))
    check_wheels()
    return 0


if __name__ == "__main__":
    raise SystemExit(guarded("make_lock", main))
