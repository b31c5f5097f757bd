"""Cost of the shipped detector and of MobileNetV2 as the papers use it, each compared with torch eager mode.

    python benchmarks/bench.py --out benchmarks/results/bench.json

MobileNetV2 has random weights, which take the same time as trained ones. Whole detections use 512 px JPEG files.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from _report import argument_parser, describe_run, write_json
from unmask.bundle.bundle import Bundle, write_bundle
from unmask.bundle.schema import BundleInfo, Card, Threshold, UncertainBand
from unmask.evaluation.cost import CALLS, bench, describe_machine
from unmask.evaluation.results import Bench
from unmask.models.network import FaceNetwork
from unmask.recipes import Recipe
from unmask.training.export import export_onnx, record_golden

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow", "torch", "timm")
_IMAGES = 64


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--price", type=float, default=0.04, help="price per core-hour (default: 0.04)")
    parser.add_argument("--calls", type=int, default=CALLS, help=f"timed calls, {CALLS} or more (default: {CALLS})")
    arguments = parser.parse_args()
    machine = describe_machine([])  # before our own work shows in it
    with tempfile.TemporaryDirectory() as temporary:
        images = Path(temporary) / "pictures"
        script = Path(__file__).with_name("_images.py")
        subprocess.run([sys.executable, str(script), str(images), str(_IMAGES)], check=True)
        peer = Path(temporary) / "mobilenetv2"
        _random_bundle(peer, Recipe.load("s0-mobilenetv2"))
        models = [
            bench(path, images=sorted(images.iterdir()), price=arguments.price, calls=arguments.calls)
            for path in (None, peer)
        ]
    sha256 = Bundle.open().sha256
    result = Bench(kind="bench", run=machine, models=tuple(models)).to_dict()
    run = describe_run(_PACKAGES, sha256, smoke=arguments.calls < CALLS)
    write_json(arguments.out, {"run": run, "result": result})


def _random_bundle(folder: Path, recipe: Recipe) -> None:
    """A bundle of a recipe's network with random weights."""
    recipe = recipe.model_copy(update={"backbone": recipe.backbone.model_copy(update={"weights": ("none",)})})
    model = export_onnx(FaceNetwork(recipe), recipe.preprocessing.size)
    cut = Threshold(name="half", false_positive_budget=1, fake_probability=0.5, true_positive_rate=1)
    info = BundleInfo(
        name=recipe.name,
        preprocessing=recipe.preprocessing,
        thresholds=(cut,),
        default_threshold=cut.name,
        uncertain=UncertainBand(low=0, high=1, accuracy_outside=1, coverage=1),
        card=Card(recipe=recipe.model_dump(mode="json")),
    )
    write_bundle(folder, info, model, record_golden(model, recipe.preprocessing.size))


if __name__ == "__main__":
    main()
