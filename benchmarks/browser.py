"""Compare the page in the browser with Python: probabilities, verdicts, times, weight, and that no request leaves.

    npm --prefix web run build
    python benchmarks/browser.py MANIFEST --out benchmarks/results/browser.json

Needs Chromium and playwright. A third of the images are given as they are, a third saved as PNG and a third as WebP, so
every decoder is asked. Times are of one thread and, in the second visit, of half of the cores; run it on an idle
machine.
"""

from __future__ import annotations

import base64
import functools
import gzip
import http.server
import io
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from _report import argument_parser, describe_run, write_json
from _shared import draw_balanced, open_edition, proportion
from unmask.bundle.bundle import Bundle
from unmask.detect.detector import Detector
from unmask.serve.local_site import export_site

_TOLERANCE = 0.01
_SEED = 1
# Asks the page's own worker, as the page does, and says how long each image took.
_JUDGE = """async ([name, images]) => {
  const worker = new Worker(name, { type: "module", name: new URL("detector/", document.baseURI).href });
  const next = () => new Promise((resolve) => { worker.onmessage = ({ data }) => resolve(data); });
  await next();
  const found = [];
  for (const [number, text] of images.entries()) {
    const file = new Blob([Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0))]);
    const started = performance.now();
    worker.postMessage({ number, file, name: "image" });
    const { judged, problem } = await next();
    found.push({ ms: performance.now() - started, problem, judged: judged && { ...judged, evidence: null } });
  }
  worker.terminate();
  return found;
}"""

# Waits until the service worker has kept the page.
_KEPT = """() => new Promise((resolve) => {
  if (navigator.serviceWorker.controller) resolve();
  else navigator.serviceWorker.addEventListener("controllerchange", () => resolve());
})"""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}  # noqa: RUF012

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder as a host of static files does; gives its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", type=Path, help="bundle (default: the detector in the package)")
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--smoke", action="store_true", help="a trial run with few images")
    options = parser.parse_args()
    count = 6 if options.smoke else options.images
    bundle = Bundle.open(options.model)
    detector = Detector(bundle)
    table = open_edition(options.manifest)
    rows = draw_balanced([row for row in table if row.split == "test"], count, _SEED)
    images = [_encoded(table.resolve(row).read_bytes(), place) for place, row in enumerate(rows)]
    expected = [detector.detect_or_error(data) for _, data in images]
    with tempfile.TemporaryDirectory() as folder:
        site = export_site(Path(folder) / "site", bundle)
        with serving(site.folder) as address:
            measured = _visit(address, site.files, [data for _, data in images])
        weight = {
            "bytes": sum(site.files.values()),
            "gzip_bytes": sum(len(gzip.compress((site.folder / name).read_bytes(), 6)) for name in site.files),
            "model_bytes": site.files["detector/model.onnx"],
            "files": len(site.files),
        }
    pairs = []
    for (kind, _), python, browser in zip(images, expected, measured.pop("judged"), strict=True):
        judged = browser["judged"] or {"fake_probability": None, "verdict": None}
        theirs, ours = judged["fake_probability"], python.fake_probability
        gap = 1.0 if ours is None or theirs is None else abs(ours - theirs)
        pairs.append({"kind": kind, "gap": gap, "same": python.verdict == judged["verdict"]})
    content = {
        "run": describe_run(("unmask", "numpy", "onnxruntime", "Pillow"), bundle.sha256, smoke=options.smoke),
        "model": bundle.name,
        "images": len(pairs),
        "kinds": dict(Counter(pair["kind"] for pair in pairs)),
        "tolerance": _TOLERANCE,
        "within": proportion([pair["gap"] <= _TOLERANCE for pair in pairs]),
        "same_verdict": proportion([pair["same"] for pair in pairs]),
        "largest_gap": max(pair["gap"] for pair in pairs),
        "median_gap": statistics.median(pair["gap"] for pair in pairs),
        "by_kind": {
            kind: {
                "within": proportion([pair["gap"] <= _TOLERANCE for pair in pairs if pair["kind"] == kind]),
                "largest_gap": max(pair["gap"] for pair in pairs if pair["kind"] == kind),
            }
            for kind in sorted({pair["kind"] for pair in pairs})
        },
        "weight": weight,
        **measured,
    }
    write_json(options.out, content)


def _encoded(data: bytes, place: int) -> tuple[str, bytes]:
    """The image as it is, as PNG, or as WebP, in turn."""
    if place % 3 == 0:
        return Image.open(io.BytesIO(data)).format or "JPEG", data
    kind = ("PNG", "WEBP")[place % 3 - 1]
    out = io.BytesIO()
    Image.open(io.BytesIO(data)).convert("RGB").save(out, kind, **({"quality": 90} if kind == "WEBP" else {}))
    return kind, out.getvalue()


def _visit(address: str, files: dict[str, int], images: Sequence[bytes]) -> dict[str, Any]:
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        raise SystemExit("Chromium is not installed")
    quiet = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    worker = next(name for name in files if name.startswith("assets/worker-"))
    texts = [base64.b64encode(data).decode() for data in images]
    asked: set[str] = set()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=quiet)
        version = browser.version
        context = browser.new_context()
        context.on("request", lambda request: asked.add(request.url))
        page = context.new_page()
        page.set_default_timeout(120_000)
        started = time.perf_counter()
        page.goto(address)
        load = time.perf_counter() - started
        page.wait_for_selector("html[data-detector=ready]")
        ready = time.perf_counter() - started
        first, following = _through_the_page(page, images[:6])
        judged = page.evaluate(_JUDGE, [worker, texts])
        page.evaluate(_KEPT)
        before = set(asked)
        context.set_offline(True)
        started = time.perf_counter()
        page.reload()
        page.wait_for_selector("html[data-detector=ready]")
        again = time.perf_counter() - started
        isolated = page.evaluate("crossOriginIsolated")
        threaded = page.evaluate(_JUDGE, [worker, texts[: min(30, len(texts))]])
        browser.close()
    outside = sorted(url for url in asked | before if not url.startswith((address, "data:", "blob:")))
    if outside:
        raise SystemExit(f"a request left: {outside[:3]}")
    for one, other in zip(judged, threaded, strict=False):
        same = (one["judged"] or {}).get("verdict") == (other["judged"] or {}).get("verdict")
        if not same:
            raise SystemExit("several threads give another verdict")
    return {
        "judged": judged,
        "browser": version,
        "requests_outside": len(outside),
        "seconds": {
            "load": load,
            "detector_ready": ready,
            "first_answer": first,
            "next_answer": following,
            "worker_median": statistics.median(each["ms"] for each in judged) / 1000,
            "worker_95": sorted(each["ms"] for each in judged)[int(0.95 * (len(judged) - 1))] / 1000,
            "threads_median": statistics.median(each["ms"] for each in threaded) / 1000,
            "offline_ready": again,
        },
        "isolated_offline": isolated,
    }


def _through_the_page(page: Any, images: Sequence[bytes]) -> tuple[float, float]:
    """Seconds from choosing a file to its verdict on the page: of the first image, and the median of the others."""
    seconds = []
    for place, data in enumerate(images):
        with page.expect_file_chooser() as chooser:
            page.locator(".add button.primary").click()
        started = time.perf_counter()
        chooser.value.set_files([{"name": f"{place}.jpg", "mimeType": "image/jpeg", "buffer": data}])
        page.wait_for_function(
            "count => document.querySelectorAll('.queue .badge, .queue .failed').length >= count", arg=place + 1
        )
        seconds.append(time.perf_counter() - started)
    return seconds[0], statistics.median(seconds[1:])


if __name__ == "__main__":
    main()
