"""Install a built wheel and source archive, each in a new environment outside of the checkout, and try what they hold.

    python -m build
    python tools/check_package.py dist/
    python tools/check_package.py dist/ --python python3.13

Each command must succeed: version, demo (which detects, explains and draws), detect, bundle verify, models, recipes,
doctor, and the service with its page. Nothing of the checkout can be imported: commands run in an empty folder.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Iterable
from pathlib import Path

COMMANDS = (
    ("--version",),
    ("demo", "--out", "demo"),
    ("detect", "demo/manipulated.jpg", "--json"),
    ("bundle", "verify"),
    ("models", "list"),
    ("recipes", "list"),
    ("doctor",),
)
_CONSTRAINTS = Path(__file__).resolve().parents[1] / "constraints.txt"
# The pictures of the data sets that unmask is made with must be in no archive; only these names are ours.
_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".mp4")
_OWN_IMAGES = ("docs/images/", "tests/regressions/", "src/unmask/serve/static/", "unmask/serve/static/", "web/")
# What a build can lose without an error. A source archive has them below src/.
_HELD = (
    "unmask/assets/unmask-default/model.onnx",
    "unmask/assets/fast/model.onnx",
    "unmask/assets/face_finder.onnx",
    "unmask/assets/models.json",
    "unmask/recipes/builtin/unmask-default.yaml",
    "unmask/serve/static/index.html",
    "unmask/serve/static-local/index.html",
    "unmask/release.txt",
    "LICENSE",
    "THIRD_PARTY_NOTICES",
)


def main() -> None:
    """Check each archive, and print a line for it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("dist", type=Path, help="folder of the wheel and the source archive")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the new environments")
    arguments = parser.parse_args()
    archives = sorted([*arguments.dist.glob("*.whl"), *arguments.dist.glob("*.tar.gz")])
    if len(archives) != 2:
        sys.exit(f"{arguments.dist} must hold one wheel and one source archive, and holds {len(archives)} archives.")
    for archive in archives:
        strange = foreign_images(names_in(archive))
        if strange:
            sys.exit(f"{archive.name} holds images that are not the project's own: {', '.join(strange[:5])}")
        if lost := lacking(names_in(archive)):
            sys.exit(f"{archive.name} lacks {', '.join(lost)}")
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as place:
            version = try_archive(archive, arguments.python, Path(place))
        size = archive.stat().st_size / 2**20
        print(f"{archive.name}: {size:.1f} MiB, {version}, works ({time.monotonic() - started:.0f} s)")


def names_in(archive: Path) -> list[str]:
    """The files of a wheel or a source archive, without the folder that a source archive begins with."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.namelist()
    with tarfile.open(archive) as source:
        return [name.partition("/")[2] for name in source.getnames()]


def foreign_images(names: Iterable[str]) -> list[str]:
    """The names of images that do not lie where the project's own do."""
    return [name for name in names if name.lower().endswith(_IMAGES) and not name.startswith(_OWN_IMAGES)]


def lacking(names: Iterable[str]) -> list[str]:
    """What every archive must hold and this one does not."""
    held = list(names)
    return [part for part in _HELD if not any(name == part or name.endswith(f"/{part}") for name in held)]


def try_archive(archive: Path, python: str, place: Path) -> str:
    """Install an archive in an empty folder, run the commands and the service; returns what ``--version`` prints."""
    run([python, "-m", "venv", "environment"], place)
    scripts = place / "environment" / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [str(scripts / "python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    run([*pip, "-c", str(_CONSTRAINTS), f"{archive.resolve()}[demo,serve]"], place)
    unmask = str(scripts / "unmask")
    printed = [run([unmask, *words], place) for words in COMMANDS]
    expected = re.split(r"-(?=\d)", archive.name)[1].removesuffix(".tar.gz").partition("-")[0]
    if expected not in printed[0]:
        sys.exit(f"{archive.name} says that its version is {printed[0].strip()}")
    serve(unmask, place)
    return printed[0].strip()


def serve(unmask: str, place: Path) -> None:
    """Start the service, and get its page and the state that it reports."""
    command = [unmask, "serve", "--port", "0", "--no-store"]
    with subprocess.Popen(command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as service:
        try:
            assert service.stdout is not None
            address = next(found[0] for line in service.stdout if (found := re.search(r"http://[^\s]+", line)))
            for path, words in (("", '<div id="root">'), ("ready", "")):
                with urllib.request.urlopen(address + path, timeout=60) as answer:
                    if words not in answer.read().decode():
                        sys.exit(f"{address}{path} does not answer with {words}")
        finally:
            service.terminate()


def run(command: list[str], place: Path) -> str:
    """What a command prints; the check ends where it fails."""
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
