"""`join_environments.py PYTHON`: makes the packages of this environment visible in another one, after its own."""

import subprocess
import sys
import sysconfig
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from nanobrag_torch.faults import guarded  # noqa: E402 - found by the line above

_WHERE = "import sysconfig; print(sysconfig.get_path('purelib'))"


def main(other: str) -> int:
    done = subprocess.run([other, "-c", _WHERE], check=True, capture_output=True, text=True)
    line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (Path(done.stdout.strip()) / "behind.pth").write_text(line, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(guarded("join_environments", lambda: main(sys.argv[1])))
