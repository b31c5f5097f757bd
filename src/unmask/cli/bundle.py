"""``unmask bundle``: bundles inspected, verified, exported and documented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples

CardResults = Annotated[
    list[Path] | None,
    typer.Option(
        "--results",
        metavar="FILE",
        help="JSON result of evaluate, robustness, bench or regressions to include (repeatable).",
    ),
]
Licence = Annotated[
    str | None,
    typer.Option("--license", metavar="NAME", help="License of the bundle as on Hugging Face, e.g. apache-2.0."),
]


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
    results: CardResults = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="File to write (default: standard output).")
    ] = None,
    licence: Licence = None,
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


@with_examples("unmask bundle push runs/mine/bundle hf://me/mine --private")
def push(
    path: Annotated[Path, typer.Argument(metavar="BUNDLE", help="Folder or zip file, or the name of a detector.")],
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Repository: hf://owner/name, or hf://owner/name@branch.")
    ],
    results: CardResults = None,
    licence: Licence = None,
    message: Annotated[str, typer.Option(metavar="TEXT", help="Message of the commit.")] = "",
    private: Annotated[bool, typer.Option("--private", help="Let nobody else see a repository that is made.")] = False,
) -> None:
    """Put a bundle and its card on Hugging Face's hub.

    The repository is made if it is not there. The token is the one of hf auth login, or HF_TOKEN.

    Exit codes: 0 written, 2 usage error, 3 broken bundle, missing extra, or the hub refuses.
    """
    from unmask.bundle.bundle import Bundle
    from unmask.bundle.published import push_bundle
    from unmask.evaluation.reports.model_card import model_card, read_card_result

    bundle = Bundle.open(path)
    text = model_card(bundle, [read_card_result(file) for file in results or ()], licence)
    made = push_bundle(bundle, address, text, message, private=private)
    print(f"{bundle.name}, sha256 {bundle.sha256}: use it with --model {made}")


@with_examples("unmask bundle pull hf://me/mine", "unmask bundle pull hf://me/mine@v2 --out mine-bundle")
def pull(
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="Repository and revision: hf://owner/name@revision.")
    ],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for a copy.")] = None,
    as_json: options.Json = False,
) -> None:
    """Get a bundle from Hugging Face's hub, and check its hashes.

    A branch or tag is resolved to a commit, which is printed; a commit that was got before needs no network.

    Exit codes: 0 here, 2 usage error, 3 it could not be had, it is broken, or the extra is missing.
    """
    from unmask.bundle.published import pull_bundle
    from unmask.files import OutputFolder

    bundle, pinned = pull_bundle(address)
    if out is not None:
        folder = OutputFolder(out)
        for name, content in bundle.files.items():
            folder.write(name, content)
    if as_json:
        print(json.dumps({"name": bundle.name, "address": str(pinned), "sha256": bundle.sha256}))
    else:
        print(f"{bundle.name}, sha256 {bundle.sha256}: use it with --model {pinned if out is None else out}")
