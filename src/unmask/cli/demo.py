"""``unmask demo``: a real and a manipulated portrait, judged and explained."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

from unmask.cli import options
from unmask.cli.examples import with_examples

_NEXT: Final = """
Images:   {folder}
Evidence: {folder}/evidence (orange: evidence for fake, purple: for real)
Report:   {report}

Next:
  {unmask} detect YOUR.jpg --evidence evidence     classify your own images
  {unmask} detect FOLDER --recursive --json        a whole folder, one JSON object per line
  {unmask} serve                                   web page and API
  {unmask} bundle info                             what the detector was trained on, and where it fails
  {unmask} --help                                  all commands"""


@with_examples("unmask demo")
def demo(
    out: options.OutOnly = Path("unmask-demo"),
    model: options.Model = None,
) -> None:
    """Judge a real and a manipulated portrait, and explain why.

    The portrait is in the public domain; the manipulated one is made of it. Needs no images and no network.

    Exit codes: 0 done, 2 usage error, 3 missing extra or broken bundle.
    """
    from unmask.cli.evidence import write_evidence
    from unmask.cli.table import TableOutput
    from unmask.data.make.demo import demo_images
    from unmask.detect.detector import load
    from unmask.explain.explainer import Explainer
    from unmask.explain.reports import Reports
    from unmask.files import OutputFolder, whole_file

    images = demo_images()
    explainer = Explainer(load(model))
    detector = explainer.detector
    folder = OutputFolder(out).path
    reports = Reports(folder / "report", detector.model_name)
    with TableOutput(detector) as output:
        for name, image in images.items():
            path = folder / f"{name}.jpg"
            with whole_file(path, durable=False) as file:
                image.save(file, "JPEG", quality=92)
            explained = explainer.explain(str(path))
            write_evidence(folder / "evidence", explained.verdict)
            reports.add(explained)
            output.count(explained.verdict)
            output.add(explained.verdict)
    print(_NEXT.format(folder=folder, report=reports.close(), unmask=_command()))


def _command() -> str:
    """How to call unmask again: by its name, or by its path where the shell does not find it."""
    beside = Path(sys.executable).with_name("unmask")
    if shutil.which("unmask") or not beside.exists():
        return "unmask"
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)
