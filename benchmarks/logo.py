"""Leave-one-generator-out: a fast recipe trained without each generator of fakes, and with all of them.

    python benchmarks/logo.py --manifest ../shared/data/faces/manifest.csv --work /tmp/logo \\
        --out benchmarks/results/logo.json

The same as ``unmask held-out s0-mobilenetv2-rf --protocol logo`` on a random sample of the groups, so that it takes
minutes. Features of the frozen backbone are computed once for all runs. ``--work`` keeps the runs; call the script
again to resume an interrupted one.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from _report import argument_parser, describe_run, write_json
from _shared import open_edition
from unmask.cli.training import prepare_training
from unmask.data.manifest import Manifest
from unmask.recipes import Recipe

_PACKAGES = ("unmask", "numpy", "torch", "timm", "scikit-learn", "onnxruntime")


def main() -> None:
    """Run and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--recipe", default="s0-mobilenetv2-rf")
    parser.add_argument("--share", type=float, default=0.5, help="proportion of the groups")
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial run")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    prepare_training("The benchmark")
    from unmask.evaluation.experiments.held_out import plan, run_protocol
    from unmask.stats.resample import Draws

    manifest = draw_groups(open_edition(arguments.manifest), arguments.share)
    result = run_protocol(
        Recipe.load(arguments.recipe),
        plan(manifest, "logo"),
        arguments.work,
        draws=Draws(2000, 0, 1),
        workers=1,
        announce=lambda line: print(line, file=sys.stderr, flush=True),
    )
    run = describe_run(_PACKAGES, "", smoke=arguments.smoke)
    content = result.to_dict()
    del content["recipe"]["settings"]
    facts = {"share": arguments.share, "pictures": sum(1 for _ in manifest)}
    write_json(arguments.out, {**content, "run": run, "drawn": facts})


def draw_groups(manifest: Manifest, share: float) -> Manifest:
    """The rows of a random sample of the groups, by a hash of their name."""
    rows = [
        row
        for row in manifest
        if int.from_bytes(hashlib.sha256(f"draw\n{row.group or row.path}".encode()).digest()[:4]) < share * 2**32
    ]
    drawn = Manifest.from_rows(rows, manifest.root)
    drawn.name = manifest.name
    return drawn


if __name__ == "__main__":
    main()
