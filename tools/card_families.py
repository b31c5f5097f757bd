"""Write into a bundle's card which families of generators it saw in training, and how it fares on unseen ones.

    python tools/card_families.py mine/bundle --manifest faces.csv --split train --out new/
    python tools/card_families.py mine/bundle --manifest faces.csv --left-out left-out.json --out new/

For bundles made before cards listed families; ``unmask train`` lists them by itself. ``--left-out`` takes a result of
``benchmarks/left_out.py``, or any JSON file whose ``held_out`` lists entries with ``value`` (a family), ``auc`` and
``found``, each with ``value``, ``low``, ``high`` and ``n``; other entries are left out.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from unmask.bundle.bundle import CLIPS, Bundle, write_bundle
from unmask.bundle.schema import Measured, UnseenFamily
from unmask.data.families import FAMILIES, family_of
from unmask.data.manifest import Manifest
from unmask.training.package import count_families


def main() -> None:
    """Write the new bundle."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bundle", help="a folder or zip file; it is not changed")
    parser.add_argument("--manifest", type=Path, required=True, help="the images that it was trained on")
    parser.add_argument("--split", action="append", help="split it was trained on (repeatable; default: train)")
    parser.add_argument("--left-out", type=Path, help="result of trainings without each family")
    parser.add_argument("--out", type=Path, required=True, help="folder for the new bundle")
    arguments = parser.parse_args()
    bundle = Bundle.open(arguments.bundle)
    splits = arguments.split or ["train"]
    fakes = [row for row in Manifest.open(arguments.manifest) if row.label == "fake" and row.split in splits]
    changes: dict[str, Any] = {
        "families": count_families(family_of(row.label, row.kind, row.generator) for row in fakes)
    }
    if arguments.left_out is not None:
        changes["unseen"] = unseen_of(json.loads(arguments.left_out.read_text(encoding="utf-8")))
    card = bundle.info.card.model_copy(update=changes)
    info = bundle.info.model_copy(update={"card": card})
    new = write_bundle(arguments.out, info, bundle.model, bundle.golden, bundle.files.get(CLIPS))
    print(f"{arguments.out}: {len(card.families)} families seen, {len(card.unseen)} measured unseen, {new.sha256}")


def unseen_of(result: dict[str, Any]) -> dict[str, UnseenFamily]:
    """What a result says of families that training left out, in the order of the families."""
    found = {
        entry["value"]: UnseenFamily(auc=_measured(entry["auc"]), found=_measured(entry["found"]))
        for entry in result["held_out"]
        if entry.get("value") in FAMILIES and "auc" in entry and "found" in entry
    }
    return {family: found[family] for family in FAMILIES if family in found}


def _measured(metric: dict[str, Any]) -> Measured:
    return Measured(**{name: metric[name] for name in ("value", "low", "high", "n")})


if __name__ == "__main__":
    main()
