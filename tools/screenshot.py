"""Take the README's screenshot of the page: the demo's manipulated portrait, its verdict and its evidence.

    make demo                              # makes the image
    python tools/screenshot.py demo-output/manipulated.jpg docs/images/page.png

Needs Chromium and Playwright (the ``dev`` extra), and the built page.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect, sync_playwright

_SIZE = {"width": 1180, "height": 760}
# A palette of this size keeps a screenshot below 200 kB.
_COLOURS = 256


def main() -> None:
    """Write the screenshot."""
    image, target = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium")
    target.parent.mkdir(parents=True, exist_ok=True)
    with _service() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        page = browser.new_context(locale="en-GB", viewport=_SIZE, color_scheme="light").new_page()
        page.goto(address)
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose images").click()
        chooser.value.set_files([str(image)])
        expect(page.locator(".queue .badge")).to_have_count(1, timeout=60_000)
        expect(page.get_by_text("Explaining")).to_have_count(0, timeout=60_000)
        page.screenshot(path=str(target))
        browser.close()
    with Image.open(target) as taken:
        taken.convert("RGB").quantize(_COLOURS).save(target, optimize=True)


@contextlib.contextmanager
def _service() -> Iterator[str]:
    command = [sys.executable, "-m", "unmask", "serve", "--port", "0", "--no-store"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[1]
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
