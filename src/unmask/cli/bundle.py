"""``unmask bundle``: look at, check and make bundles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Look at, check and make detector bundles.", no_args_is_help=True, rich_markup_mode=None)

_Path = Annotated[Path | None, typer.Argument(help="A bundle's folder or zip; the shipped one by default.")]
_Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def info(path: _Path = None, as_json: _Json = False) -> None:
    """Show what a bundle is, what it was made from, and where it fails.

    Example:

      unmask bundle info runs/mine/bundle
    """
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


@app.command()
def verify(path: _Path = None, as_json: _Json = False) -> None:
    """Check a bundle's hashes and replay its golden cases.

    Exits with 3 when anything is wrong.

    Example:

      unmask bundle verify runs/mine/bundle
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


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="A run folder of unmask train.")],
    manifest: Annotated[Path, typer.Option(help="The manifest that the run was trained on.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the bundle is written.")],
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="What paths in the manifest are relative to.")
    ] = None,
) -> None:
    """Make the bundle of a run again, calibrated on its validation split.

    Example:

      unmask bundle export runs/mine --manifest faces.csv --out mine-bundle
    """
    from unmask.cli.extras import need
    from unmask.data.manifest import Manifest

    need("train", "Export", "torch", "timm", "lightning", "torchmetrics", "sklearn", "onnxscript")
    from unmask.training.fit import export_run

    table = Manifest.from_folders(manifest) if manifest.is_dir() else Manifest.open(manifest, root)
    bundle = export_run(run, table, out)
    print(f"{bundle.info.name}: bundle in {out}, sha256 {bundle.sha256}")


@app.command()
def card(
    path: _Path = None,
    results: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A result of evaluate, robustness or bench as JSON; may be repeated."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Where to; by default it is printed.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--license", help="Of the bundle, as Hugging Face names it, e.g. apache-2.0.")
    ] = None,
) -> None:
    """Write a model card in Hugging Face's format, from a bundle and its results.

    Example:

      unmask bundle card mine/bundle --results evaluation/result.json --results bench.json --out README.md
    """
    from unmask.bundle.bundle import Bundle
    from unmask.evaluation.reports.evaluation import read_result
    from unmask.evaluation.reports.model_card import model_card
    from unmask.files import write_whole

    found = [read_result(file, "evaluation", "robustness", "bench") for file in results or ()]
    text = model_card(Bundle.open(path), found, licence)
    if out is None:
        print(text, end="")
        return
    write_whole(out, text)
    print(f"Written to {out}")
