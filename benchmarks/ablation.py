"""What the parts of a hybrid are worth: without SMOTE, and with other classical heads, by three seeds.

    python benchmarks/ablation.py --manifest ../shared/data/faces/manifest.csv --work /tmp/ablation \\
        --out benchmarks/results/ablation.json

The same as ``unmask ablate s0-mobilenetv2-rf`` on one source, which holds both classes, processed alike. ``--work``
keeps the runs; a stopped call goes on there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from _report import describe_run, write_json
from unmask.cli.training import prepare_training
from unmask.data.manifest import Manifest
from unmask.recipes import Recipe

_PACKAGES = ("unmask", "numpy", "torch", "timm", "scikit-learn", "imbalanced-learn", "onnxruntime")


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--recipe", default="s0-mobilenetv2-rf")
    parser.add_argument("--source", default="ffhq_stylegan_256")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=(), help="variants, as of unmask ablate; all by default")
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    prepare_training("The benchmark")
    from unmask.evaluation.experiments.ablation import ablate
    from unmask.evaluation.experiments.ablation_variants import variants
    from unmask.evaluation.reports.ablation import sentences
    from unmask.stats.resample import Draws

    recipe = Recipe.load(arguments.recipe)
    result = ablate(
        recipe,
        variants(recipe, tuple(arguments.only)),
        Manifest.open(arguments.manifest).select(source=arguments.source),
        arguments.work,
        seeds=arguments.seeds,
        draws=Draws(2000, 0, 1),
        workers=1,
        announce=lambda line: print(line, file=sys.stderr, flush=True),
    )
    run = describe_run(_PACKAGES, "", smoke=arguments.smoke)
    del result["recipe"]["settings"]
    write_json(arguments.out, {**result, "run": run, "source": arguments.source, "sentences": list(sentences(result))})


if __name__ == "__main__":
    main()
