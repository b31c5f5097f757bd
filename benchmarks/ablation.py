"""Effect of the parts of a hybrid recipe: without SMOTE, and with other classical heads, with three random seeds.

    python benchmarks/ablation.py --manifest ../shared/data/faces/manifest.csv --work /tmp/ablation \\
        --out benchmarks/results/ablation.json

The same as ``unmask ablate s0-mobilenetv2-rf`` on one source, which contains both classes, processed alike. ``--work``
keeps the runs; call the script again to resume an interrupted one.
"""

from __future__ import annotations

import sys
from pathlib import Path

from _report import argument_parser, describe_run, write_json
from _shared import open_edition
from unmask.cli.training import prepare_training
from unmask.recipes import Recipe

_PACKAGES = ("unmask", "numpy", "torch", "timm", "scikit-learn", "imbalanced-learn", "onnxruntime")


def main() -> None:
    """Run and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--recipe", default="s0-mobilenetv2-rf")
    parser.add_argument("--source", default="ffhq_stylegan_256")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=(), help="variants of unmask ablate (default: all)")
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial run")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    prepare_training("The benchmark")
    from unmask.evaluation.experiments.ablation import ablate
    from unmask.evaluation.experiments.ablation_variants import variants
    from unmask.stats.resample import Draws

    recipe = Recipe.load(arguments.recipe)
    result = ablate(
        recipe,
        variants(recipe, tuple(arguments.only)),
        open_edition(arguments.manifest).select(source=arguments.source),
        arguments.work,
        seeds=arguments.seeds,
        draws=Draws(2000, 0, 1),
        workers=1,
        announce=lambda line: print(line, file=sys.stderr, flush=True),
    )
    run = describe_run(_PACKAGES, "", smoke=arguments.smoke)
    content = result.to_dict()
    del content["recipe"]["settings"]
    write_json(arguments.out, {**content, "run": run, "source": arguments.source})


if __name__ == "__main__":
    main()
