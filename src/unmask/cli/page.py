"""``unmask page``: the web page without a service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples("unmask page export site", "unmask page export site --model int8")
def export(
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="Folder for the site; must be empty.")],
    model: options.Model = None,
    as_json: options.Json = False,
) -> None:
    """Write the page as a static site that judges images in the browser.

    Put the folder on any host of static files. Images stay in the browser: nothing is sent anywhere, and after the
    first visit the page works offline. It has no history, clips, explanations or reports. A detector that unmask bundle
    quantize made smaller makes the page smaller, too.

    Exit codes: 0 written, 2 usage error, 3 broken bundle or unmask installed without the page.
    """
    from unmask.bundle.bundle import Bundle
    from unmask.cli.hold import hold
    from unmask.serve.local_site import export_site

    bundle = Bundle.open(model)
    hold(folder)
    site = export_site(folder, bundle)
    if as_json:
        print(
            json.dumps(
                {
                    "folder": str(site.folder),
                    "model": site.model,
                    "bundle_sha256": site.bundle_sha256,
                    "bytes": sum(site.files.values()),
                    "files": site.files,
                },
                indent=2,
            )
        )
        return
    size = sum(site.files.values()) / 2**20
    print(f"{site.model} in {site.folder}: {len(site.files)} files, {size:.1f} MiB")
    print(f"Try it: python -m http.server --directory {site.folder} --bind 127.0.0.1 8080")
