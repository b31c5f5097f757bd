"""``unmask doctor``: whether this installation works, and what is missing."""

from __future__ import annotations

import json

import typer

from unmask.cli import options
from unmask.cli.examples import with_examples


@with_examples("unmask doctor", "unmask doctor --model runs/mine/bundle --json")
def doctor(model: options.Model = None, as_json: options.Json = False) -> None:
    """Check the installation, the detector and this machine's speed.

    Opens the detector, checks its hashes and replays its golden cases. Lists optional parts and the command that
    installs each. Writes nothing.

    Exit codes: 0 it works, 3 the detector is missing or broken.
    """
    from unmask.detect.checkup import check_up

    found = check_up(model)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        packages = ", ".join(f"{name} {version}" for name, version in found.packages.items())
        print(f"unmask    {found.unmask}, Python {found.python}, {found.system}, {found.cpus} CPUs")
        print(f"packages  {packages}")
        print(f"runtime   {', '.join(found.providers)}")
        if found.error is None:
            print(f"detector  {found.model}, sha256 {found.bundle_sha256[:12]}: hashes fit, golden cases replay")
            print(f"speed     {found.ms:.0f} ms for an image of 512 x 512 pixels")
        else:
            print(f"detector  {found.error}: {found.message}")
        print(f"cache     {found.cache}, {found.free_bytes / (1 << 30):.0f} GiB free")
        for extra in found.extras:
            state = f"lacks {', '.join(extra.missing)}: {extra.line}" if extra.missing else "installed"
            print(f"extra     {extra.name}: {state}")
    if found.error is not None:
        raise typer.Exit(3)
