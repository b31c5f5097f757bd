"""``unmask bundle``: bundles inspected, verified, exported and documented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples("unmask bundle info runs/mine/bundle")
def info(path: options.BundleArgument = None, as_json: options.Json = False) -> None:
    """Show a bundle's contents, training and known weaknesses."""
    from unmask.bundle.bundle import Bundle

    bundle = Bundle.open(path)
    content = bundle.info.model_dump(mode="json")
    if as_json:
        print(json.dumps({"sha256": bundle.sha256, **content}, indent=2))
        return
    import yaml

    content["card"].pop("recipe")
    print(
        yaml.safe_dump({"sha256": bundle.sha256, **content}, sort_keys=False, allow_unicode=True, width=110),
        end="",
    )


@with_examples("unmask bundle verify runs/mine/bundle")
def verify(path: options.BundleArgument = None, as_json: options.Json = False) -> None:
    """Check a bundle's hashes and replay its golden cases.

    Exit codes: 0 valid, 3 not valid.
    """
    from unmask.bundle.bundle import Bundle

    bundle = Bundle.open(path)
    result = bundle.verify()
    if as_json:
        print(json.dumps({"name": bundle.info.name, "sha256": bundle.sha256, **result}))
    else:
        print(
            f"{bundle.info.name}@{bundle.info.version}: hashes match, {result['cases']} golden cases within "
            f"{result['largest_difference']:.1e}"
        )


@with_examples("unmask bundle export runs/mine --manifest faces.csv --out mine-bundle")
def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder of unmask train.")],
    manifest: options.Manifest,
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the bundle.")],
    root: options.Root = None,
) -> None:
    """Export the bundle of a training run again.

    The bundle is calibrated on the validation split of the manifest that the run was trained on.

    Exit codes: 0 exported, 2 usage error, 3 missing extra.
    """
    from unmask.cli.extras import need
    from unmask.cli.manifests import open_manifest

    need("train", "Exporting a bundle", "torch", "timm", "lightning", "torchmetrics", "sklearn", "onnxscript")
    from unmask.training.fit import export_run

    table = open_manifest(manifest, root)
    bundle = export_run(run, table, out)
    print(f"{bundle.info.name}: bundle in {out}, sha256 {bundle.sha256}")


@with_examples("unmask bundle card mine/bundle --results result.json --out README.md")
def card(
    path: options.BundleArgument = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="JSON result of evaluate, robustness, bench or regressions to include (repeatable)."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="File to write (default: standard output).")
    ] = None,
    licence: Annotated[
        str | None,
        typer.Option("--license", metavar="NAME", help="License of the bundle as on Hugging Face, e.g. apache-2.0."),
    ] = None,
) -> None:
    """Write a model card in the format of Hugging Face.

    Exit codes: 0 written, 2 usage error, 3 broken bundle.
    """
    from unmask.bundle.bundle import Bundle
    from unmask.evaluation.reports.model_card import model_card, read_card_result
    from unmask.files import write_whole

    found = [read_card_result(file) for file in results or ()]
    text = model_card(Bundle.open(path), found, licence)
    if out is None:
        print(text, end="")
        return
    write_whole(out, text)
    print(f"Written to {out}")
