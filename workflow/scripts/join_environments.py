"""`join_environments.py PYTHON`: another environment finds, behind its own packages, those of this one."""

import subprocess
import sys
import sysconfig
from pathlib import Path

_WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def main(other: str) -> None:
    done = subprocess.run([other, "-c", _WHERE], check=True, capture_output=True, text=True)
    line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (Path(done.stdout.strip()) / "behind.pth").write_text(line, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
