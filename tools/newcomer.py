"""Do what a newcomer does, in an environment that holds nothing but a built wheel, and write down what happened.

    python -m build
    python tools/newcomer.py dist/unmask-*.whl --out docs/tutorials/newcomer.md

Each command must succeed. The page has the real output; folders and addresses are named as a reader would name them,
and long output is shortened. ``--environment DIR`` takes an environment that has unmask, instead of installing a wheel.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

_ROOT = Path(__file__).resolve().parents[1]
_MOST_LINES = 24
_PORT = 8000
_BEGINNING = (
    "What a newcomer does with the wheel alone, on Linux or macOS, and what unmask prints. `tools/newcomer.py` runs "
    "all of it in a new environment and writes this page; long output is shortened. The wheel is attached to each "
    "release."
)
_INSTALL = """```sh
python -m venv environment
. environment/bin/activate
pip install "$(ls unmask-*.whl)[demo,serve,train,hub]"
```
"""

MAKE_PHOTOS = """\
import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

portrait = Image.open("demo/real.jpg")
random = np.random.default_rng(0)
folder = Path("photos")
folder.mkdir()
rows = [("path", "label", "source", "group")]
for number in range(100):
    left, top = random.integers(0, 64, 2)
    photo = portrait.crop((left, top, left + portrait.width - 64, top + portrait.height - 64))
    if number % 2:
        photo = photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    photo = ImageEnhance.Brightness(photo).enhance(random.uniform(0.7, 1.2))
    photo.save(folder / f"{number}.jpg", quality=int(random.integers(75, 96)))
    rows.append((f"{number}.jpg", "real", "portrait", f"photo-{number}"))
with (folder / "photos.csv").open("w", newline="") as file:
    csv.writer(file).writerows(rows)
"""


@dataclass(frozen=True)
class Step:
    """A part of the page.

    Attributes:
        heading: of the part.
        text: what it is about.
        commands: lines for the shell, run one by one.
        file: name and content of a file to write first.
        service: a command that runs in the background meanwhile.
    """

    heading: str
    text: str
    commands: tuple[str, ...]
    file: tuple[str, str] | None = None
    service: str = ""


STEPS = (
    Step(
        "Two images to try",
        "No images at hand? `demo` writes a portrait in the public domain and a manipulated copy, and judges both.",
        ("unmask --version", "unmask demo --out demo"),
    ),
    Step(
        "Detect",
        "One line per image. The probability assumes that real and fake are equally likely.",
        ("unmask detect demo/real.jpg demo/manipulated.jpg", "unmask detect demo/real.jpg --json"),
    ),
    Step(
        "Explain",
        "The report is one page to read, cite or print. Programs read the same as JSON.",
        ("unmask explain demo/manipulated.jpg --out report",),
    ),
    Step(
        "Serve",
        f"A page for people at `http://127.0.0.1:{_PORT}/`, and an API for programs.",
        (
            f"curl --silent --form image=@demo/manipulated.jpg http://127.0.0.1:{_PORT}/predict",
            f"curl --silent http://127.0.0.1:{_PORT}/ready",
        ),
        service=f"unmask serve --port {_PORT} --no-store",
    ),
    Step(
        "Make 200 images",
        "To train, you need images whose label you know. Here 100 photographs are made of the one portrait, and a "
        "fake of each. They show that the tools work, and nothing else: what is trained on them knows one face. "
        "`group` keeps a photograph and its fake in the same split.",
        (
            "python photos.py",
            "unmask data synthesize photos/photos.csv --kind self-blend --format jpeg:90 --with-originals --out made",
            "unmask data split made/manifest.csv --out made/split.csv",
        ),
        file=("photos.py", MAKE_PHOTOS),
    ),
    Step(
        "Train",
        "A recipe is all that one training depends on. This one fits a linear unit on the features of a frozen "
        "network, which takes seconds.",
        ("unmask train lite-probe --manifest made/split.csv --out run", "unmask bundle verify run/bundle"),
    ),
    Step(
        "Evaluate",
        "On images that training has not seen; each number has its interval.",
        (
            "unmask evaluate run/bundle --manifest made/split.csv --split test --out evaluation",
            "unmask detect demo/real.jpg demo/manipulated.jpg --model run/bundle",
        ),
    ),
    Step(
        "Share",
        "On Hugging Face's hub, with a card. Here the hub is one on the same machine, to which `HF_ENDPOINT` leads. A "
        "bundle is checked against its hashes when it arrives, and a commit is the same bytes for ever.",
        (
            "unmask bundle push run/bundle hf://me/mine --results evaluation/result.json",
            "unmask bundle pull hf://me/mine",
            "unmask detect demo/manipulated.jpg --model hf://me/mine@main",
        ),
    ),
)


def main() -> None:
    """Run all steps, and write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheel", type=Path, nargs="?", help="the built wheel")
    parser.add_argument("--environment", type=Path, help="use this environment, which has unmask, and install nothing")
    parser.add_argument("--python", default=sys.executable, help="interpreter of the new environment")
    parser.add_argument("--out", type=Path, help="page to write (default: standard output)")
    arguments = parser.parse_args()
    if (arguments.wheel is None) == (arguments.environment is None):
        parser.error("give either a wheel or --environment")
    with tempfile.TemporaryDirectory() as place:
        home = Path(place).resolve()
        environment = arguments.environment
        if arguments.wheel is not None:
            environment = home / "environment"
            install(arguments.wheel.resolve(), arguments.python, environment)
        work = home / "try"
        work.mkdir()
        with hub(work) as variables:
            page = "".join(transcript(work, environment.absolute(), variables))
    if arguments.out is None:
        sys.stdout.write(page)
    else:
        arguments.out.write_text(page, encoding="utf-8")


def install(wheel: Path, python: str, environment: Path) -> None:
    """A new environment with the wheel and what the steps need."""
    subprocess.run([python, "-m", "venv", environment], check=True)
    pip = [environment / _SCRIPTS / "python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.run([*pip, f"{wheel}[demo,serve,train,hub]"], check=True)


_SCRIPTS = "Scripts" if sys.platform == "win32" else "bin"


@contextmanager
def hub(work: Path) -> Iterator[dict[str, str]]:
    """The hub of the tests, on loopback; yields the variables that lead to it."""
    spec = importlib.util.spec_from_file_location("hub_server", _ROOT / "tests" / "bundle" / "hub_server.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    with module.running_hub() as server:
        yield {
            "HF_ENDPOINT": server.address,
            "HF_HOME": str(work / "hub"),
            "HF_TOKEN": module.TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }


def transcript(work: Path, environment: Path, hub_variables: dict[str, str]) -> Iterator[str]:
    """The page, part by part, while the steps run in the folder ``work``."""
    yield f"# From nothing to your own detector\n\n{_filled(_BEGINNING)}\n\n## Install\n\n{_INSTALL}"
    port = _free_port()
    variables = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("UNMASK_", "PYTHON"))},
        "PATH": f"{environment / _SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "OMP_NUM_THREADS": "1",
        **hub_variables,
    }

    def run(command: str) -> str:
        asked = command.replace(f":{_PORT}", f":{port}")
        done = subprocess.run(
            asked,
            shell=True,
            cwd=work,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            sys.exit(f"{command} ended with {done.returncode}:\n{done.stdout}")
        output = done.stdout.replace(hub_variables["HF_ENDPOINT"], "https://hub.example")
        return readable(output, work, environment, port)

    for step in STEPS:
        yield from _part(step, run, work, variables, port)


def _part(step: Step, run: Callable[[str], str], work: Path, variables: dict[str, str], port: int) -> Iterator[str]:
    yield f"\n## {step.heading}\n\n{_filled(step.text)}\n"
    if step.file is not None:
        name, content = step.file
        (work / name).write_text(content, encoding="utf-8")
        yield f"\n`{name}`:\n\n```python\n{content}```\n"
    service = None
    if step.service:
        words = step.service.replace(f"--port {_PORT}", f"--port {port}").split()
        words[0] = which(words[0], path=variables["PATH"]) or words[0]
        service = subprocess.Popen(
            words, cwd=work, env=variables, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert service.stdout is not None
        service.stdout.readline()  # where it listens
        yield f"\n```sh\n{step.service} &\n```\n"
    try:
        for command in step.commands:
            output = run(command)
            yield f"\n```sh\n{command}\n```\n"
            if output:
                yield f"\n```text\n{output}\n```\n"
    finally:
        if service is not None:
            service.terminate()
            service.wait(timeout=60)


def readable(output: str, work: Path, environment: Path, port: int) -> str:
    """Output as a reader would see it: folders by their names, long lines and long output shortened."""
    output = output.replace(f":{port}", f":{_PORT}").replace(f"{work}{os.sep}", "").replace(str(work), ".")
    output = output.replace(str(environment), "environment")
    lines = [line.rstrip() for line in output.splitlines()]
    lines = [line if len(line) <= 160 else f"{line[:157]}..." for line in lines]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], f"... {len(lines) - _MOST_LINES} more lines"]
    return "\n".join(lines).strip("\n")


def _filled(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
