"""Install the locked packages of envs/lock/ into the environment of the python that runs this, and this repository.

    .venv/bin/python envs/install.py --stamp FILE [--torch cpu|cuda]     what the audit and its tests need
    .venv-docs/bin/python envs/install.py --stamp FILE --part docs     (or .venv-roc, --part roc-validator)

Names, versions and sha256 hashes come from the lock; where the files come from is pip's configuration, for uv too. uv
installs; whatever it cannot, pip does with the same lock. Two exceptions from the hashes: torch's build for the CPU has
no entry in the lock (PyPI does not hold it), so its version is given and PyTorch's own index states the hash; this
repository is installed as it lies there. FILE is written last and holds the name of torch's build. All that uv and pip
print goes to install.log beside it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

ENVS = Path(__file__).resolve().parent
LOCK = ENVS / "lock"
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
LOCKED = ["--no-deps", "--require-hashes"]
WHEELS = [*LOCKED, "--only-binary", ":all:"]
PIP = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
DRIVER = Path("/proc/driver/nvidia/version")
LAST_LINES = 6


class Failed(Exception):
    """What could not be installed."""


def pip_settings() -> dict[str, list[str]]:
    """pip's configuration, files and variables: `find-links`, `index-url` and so on with their values."""
    words = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(?:global|install|:env:)\.([\w-]+)='(.*)'$", listed, re.MULTILINE):
        found[name] = value.replace("\\n", " ").split()  # variables come last, and win as in pip
    return found


def uv_command(settings: dict[str, list[str]]) -> tuple[list[str], dict[str, str]]:
    """`uv pip install` with the places of files that pip is set to, and its environment."""
    words = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--python", sys.executable]
    words += ["--no-progress", "--index-strategy", "unsafe-best-match"]  # the hash says which file; as pip does
    options = {"index-url": "--default-index", "extra-index-url": "--index", "find-links": "--find-links"}
    for name, option in options.items():
        words += [word for value in settings.get(name, []) for word in (option, value)]
    if settings.get("no-index", ["0"])[0].lower() in ("1", "true", "yes", "on"):
        words.append("--no-index")
    environment = dict(os.environ)
    for name, variable in (("cert", "SSL_CERT_FILE"), ("proxy", "ALL_PROXY"), ("default-timeout", "UV_HTTP_TIMEOUT")):
        if name in settings:
            environment.setdefault(variable, settings[name][0])
    return words, environment


class Installer:
    """Runs installers one after the other, with one line of progress, and keeps what they print in a log."""

    def __init__(self, log: Path) -> None:
        self.log = log.open("w", encoding="utf-8")
        self.began = time.monotonic()
        self.uv: list[str] | None = None
        self.environment = dict(os.environ)

    def say(self, text: str, end: str = "\n") -> None:
        """One line; on a terminal it takes the place of the last one."""
        live = sys.stdout.isatty()
        if live or end == "\n":
            print(("\r\033[K" if live else "") + text, end=end, flush=True)

    def done(self, words: list[str]) -> bool:
        """Whether a command ended well; the line of progress counts seconds meanwhile."""
        self.log.write(f"\n$ {' '.join(words)}\n")
        self.log.flush()
        try:
            child = subprocess.Popen(words, stdout=self.log, stderr=self.log, env=self.environment, cwd=ENVS.parent)
        except OSError as error:
            self.log.write(f"{error}\n")
            return False
        try:
            while child.poll() is None:
                self.say(f"  {self.what} ... {time.monotonic() - self.began:.0f} s", end="")
                time.sleep(0.2)
        finally:
            if child.poll() is None:
                child.terminate()
                child.wait()
        return child.returncode == 0

    def install(self, what: str, words: list[str]) -> None:
        """By uv, else by pip; raises Failed."""
        self.what = what
        if self.uv and self.done([*self.uv, *words]):
            return
        if self.uv:
            self.say(f"  {what}: uv could not, pip tries ({self.log.name})")
        if not self.done([*PIP, *words]):
            raise Failed(what)

    def bootstrap(self) -> None:
        """Install the pinned uv, and use it if it runs here."""
        self.what = "uv"
        uv, environment = uv_command(pip_settings())
        if self.done([*PIP, *WHEELS, "-r", str(LOCK / "uv.txt")]) and self.done([uv[0], "--version"]):
            self.uv, self.environment = uv, environment
        else:
            self.say("  uv cannot be installed here; pip does the work, some minutes longer")


def part(name: str) -> list[str]:
    """The words that install a part of the lock from wheels."""
    return [*WHEELS, "-r", str(LOCK / f"{name}.txt")]


def torch_version() -> str:
    """The version of torch in the lock."""
    return re.search(r"^torch==(\S+)", (LOCK / "torch.txt").read_text(), re.MULTILINE).group(1)


def only_for_cuda() -> Iterator[str]:
    """Installed packages that torch's build for CUDA alone needs."""
    names = re.findall(r"^([\w-]+)==", (LOCK / "torch.txt").read_text(), re.MULTILINE)
    folders = [path.name.lower() for path in Path(sys.prefix).glob("lib/python*/site-packages/*.dist-info")]
    for name in names:
        if name != "torch" and any(folder.startswith(f"{name.replace('-', '_')}-") for folder in folders):
            yield name


def install_torch(installer: Installer, wanted: str) -> str:
    """Install the build that is wanted, "" for the one that suits this machine; gives its name."""
    if sys.platform != "linux":
        installer.install("torch", part("torch"))
        return "cpu"
    build = wanted or ("cuda" if DRIVER.exists() or shutil.which("nvidia-smi") else "cpu")
    if build == "cuda":
        installer.install("torch for CUDA, 2.6 GB to download", part("torch"))
        return build
    words = ["--no-deps", "--only-binary", ":all:", f"torch=={torch_version()}+cpu"]
    installer.what = "torch for the CPU, 200 MB to download"
    tries = [[*installer.uv, *words]] if installer.uv else [[*PIP, *words]]
    tries += [[*tries[0], "--index" if installer.uv else "--extra-index-url", CPU_INDEX]]
    if any(installer.done(command) for command in tries):
        extra = list(only_for_cuda())
        if extra:
            installer.done([sys.executable, "-m", "pip", "uninstall", "--yes", "--quiet", *extra])
        return build
    if wanted:
        raise Failed(f"torch for the CPU, from {CPU_INDEX}")
    installer.say(f"  no build of torch for the CPU alone at {CPU_INDEX}; the one for CUDA does the same, with 5.5 GB")
    return install_torch(installer, "cuda")


def install_all(installer: Installer, wanted: str) -> str:
    """Everything of the lock, and this repository; gives the name of torch's build."""
    installer.bootstrap()
    count = len(re.findall(r"^\S+==", (LOCK / "wheels.txt").read_text(), re.MULTILINE))
    installer.install(f"{count} packages", part("wheels"))
    installer.install("what has no wheel", [*LOCKED, "--no-build-isolation", "-r", str(LOCK / "source.txt")])
    build = install_torch(installer, wanted)
    installer.install("this repository", ["--no-deps", "--no-build-isolation", "-e", str(ENVS.parent)])
    return build


def main() -> int:
    """Install, then leave the stamp; 0, or 2 after a few lines that say what failed and where all is written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stamp", type=Path, required=True, metavar="FILE")
    parser.add_argument("--torch", choices=("", "cpu", "cuda"), default="")
    parser.add_argument("--part", metavar="NAME", help="this part of the lock alone")
    options = parser.parse_args()
    if options.torch == "cuda" and sys.platform != "linux":
        parser.error("--torch cuda: torch has no build for CUDA on this system")
    log = options.stamp.parent / "install.log"
    installer = Installer(log)
    try:
        if options.part:
            installer.install(options.part, part(options.part))
        build = "" if options.part else install_all(installer, options.torch)
    except Failed as failed:
        installer.log.close()
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-LAST_LINES:]
        installer.say(f"error: could not install {failed}; the end of {log}:")
        print(*(f"  {line}" for line in lines), sep="\n")
        print("Is the package index reached from here? `pip config list` shows which one pip is set to.")
        return 2
    options.stamp.write_text(build, encoding="utf-8")
    about = f"torch {torch_version()} for {build.upper()}, " if build else ""
    installer.say(f"  {about}ready after {time.monotonic() - installer.began:.0f} s")
    return 0


def last_resort() -> int:
    """`main`, where whatever it did not foresee is one line; nothing of this repository can be imported yet."""
    try:
        return main()
    except KeyboardInterrupt:
        said, status = "interrupted; the next `make setup` begins again", 128 + 2  # 2: SIGINT
    except OSError as error:
        said, status = f"{error.filename or 'install'}: {error.strerror or error}", 2
    except Exception as error:
        with tempfile.NamedTemporaryFile("w", prefix="fault-", suffix=".txt", delete=False) as file:
            traceback.print_exc(file=file)
        said, status = f"{type(error).__name__}; a fault of ours, please report it with {file.name}", 3
    print(f"error: {said}", file=sys.stderr)
    return status


if __name__ == "__main__":
    raise SystemExit(last_resort())
