"""`page.py HTML OUT`: what a browser shows of the top of a page. Needs chromium, on PATH or as CHROMIUM."""

import io
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from nanobrag_torch.faults import guarded

WIDTH, HEIGHT = 1180, 1180
COLOURS = 48


def main(source: str, out: str) -> None:
    browser = os.environ.get("CHROMIUM") or shutil.which("chromium")
    if not browser:
        sys.exit("error: no chromium on PATH; install it (Debian: apt install chromium) or name one in CHROMIUM")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox", "--disable-gpu"])
        page = started.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(Path(source).resolve().as_uri())
        shot = page.screenshot()
        started.close()
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLOURS).save(Path(out), optimize=True)


if __name__ == "__main__":
    raise SystemExit(guarded("page", lambda: main(*sys.argv[1:]) or 0))
