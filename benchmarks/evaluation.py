"""A detector on the shared images of one edition, by ``unmask evaluate``: the shipped one on those of the split test.

    python benchmarks/evaluation.py --manifest ../shared/data/faces/manifest.csv --edition 1 \\
        --out benchmarks/results/evaluation.json
    python benchmarks/evaluation.py --manifest ../shared/data/faces/manifest.csv --edition 2 \\
        --out benchmarks/results/evaluation-edition-2.json

Test images are used to report, never to choose. Training saw other images of their sources, so generators that it did
not see need a network of their own, which was trained without them (docs/lab, experiment 20):

    python benchmarks/evaluation.py --manifest left-out.csv --root ../shared/data/faces --edition 2 --split left-out \\
        --model left-out/bundle --out benchmarks/results/evaluation-left-out.json
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from _report import argument_parser, describe_run, write_json

_PACKAGES = ("unmask", "numpy", "onnxruntime", "Pillow")


def main() -> None:
    """Run the command and keep its result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True, help="table of labelled images")
    parser.add_argument("--edition", default="1", help="edition of the shared images (default: 1)")
    parser.add_argument("--root", help="folder that the manifest's paths are relative to (default: its own)")
    parser.add_argument("--split", default="test", help="split of the images (default: test)")
    parser.add_argument("--model", help="a bundle (default: the shipped one)")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    parser.add_argument("--work", type=Path, help="folder to resume an interrupted run in (default: a temporary one)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.work or Path(temporary)
        options = ["--manifest", str(arguments.manifest), "--where", f"edition={arguments.edition}"]
        if arguments.root:
            options += ["--root", arguments.root]
        bundle = [arguments.model] if arguments.model else []
        command = ["evaluate", *bundle, *options, "--split", arguments.split, "--out", str(folder)]
        subprocess.run([sys.executable, "-m", "unmask", *command], check=True)
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    result["run"]["command"] = ["unmask", *command[:-1], "evaluation/"]
    result["data"]["name"] += f", edition {arguments.edition}"
    result["mistakes"] = {kind: [] for kind in result["mistakes"]}  # nothing about single images is published
    run = describe_run(_PACKAGES, result["detector"]["bundle_sha256"], smoke=False)
    write_json(arguments.out, {"run": run, "result": result})


if __name__ == "__main__":
    main()
