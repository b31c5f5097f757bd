"""``unmask data fetch``: images from the URLs of a manifest."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from unmask.cli import deprecated, options
from unmask.cli.examples import with_examples
from unmask.text import printable


@with_examples(
    "unmask data fetch urls.csv --out faces/",
    'unmask data fetch urls.csv --out faces/ --user-agent "me@example.org"',
)
def fetch(
    manifest: Annotated[
        Path, typer.Argument(metavar="MANIFEST", help="CSV or Parquet table with the columns url and label.")
    ],
    out: options.OutOnly,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Retry rows that failed before.")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Allow loopback and private addresses.")
    ] = False,
    robots: Annotated[bool, typer.Option("--robots", help="Obey the robots.txt of each server.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, metavar="N", help="Requests in parallel.")] = 16,
    per_host: Annotated[int, typer.Option(min=1, metavar="N", help="Requests in parallel to one host.")] = 4,
    min_interval: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Shortest interval between requests to one host.")
    ] = 0.1,
    timeout: Annotated[float, typer.Option(min=0.01, metavar="SECONDS", help="Time limit for one attempt.")] = 120.0,
    retries: Annotated[int, typer.Option(min=0, metavar="N", help="Retries after transient errors.")] = 3,
    max_bytes: Annotated[int, typer.Option(min=1, metavar="BYTES", help="Largest image file accepted.")] = 32 * 2**20,
    user_agent: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="User agent to send, best with a contact address (default: unmask/VERSION)."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Random seed for retry jitter.")] = 0,
    as_json: options.Json = False,
    connect_timeout: Annotated[float | None, typer.Option(min=0.01, hidden=True)] = None,
    read_timeout: Annotated[float | None, typer.Option(min=0.01, hidden=True)] = None,
    backoff: Annotated[float | None, typer.Option(min=0, hidden=True)] = None,
    max_redirects: Annotated[int | None, typer.Option(min=0, hidden=True)] = None,
    formats: Annotated[str | None, typer.Option(hidden=True)] = None,
    decode: Annotated[bool | None, typer.Option("--decode/--no-decode", hidden=True)] = None,
) -> None:
    """Download the images that a manifest lists by URL.

    Writes manifest.csv with the status of every row, and ok.csv with the rows whose image was downloaded. Run again to
    resume; nothing is downloaded twice.

    Exit codes: 0 all images downloaded, 1 some row has no image, 2 usage error, 3 missing extra.
    """
    from unmask.cli.manifests import translation
    from unmask.data.fetch.policy import DEFAULT_USER_AGENT
    from unmask.data.fetch.run import FetchPolicy
    from unmask.data.fetch.run import fetch as fetch_images
    from unmask.data.manifest import Manifest

    default = FetchPolicy()
    chosen: dict[str, Any] = {
        "connect_timeout": connect_timeout,
        "read_timeout": read_timeout,
        "backoff": backoff,
        "max_redirects": max_redirects,
        "formats": None if formats is None else frozenset(name.strip().upper() for name in formats.split(",") if name),
        "decode": decode,
    }
    for name in (name for name, value in chosen.items() if value is not None):
        new = "--timeout" if name.endswith("timeout") else f"FetchPolicy({name}=...) in Python"
        deprecated.warn(f"--{name.replace('_', '-')}", new)
    policy = replace(
        default,
        concurrency=concurrency,
        per_host=per_host,
        min_interval=min_interval,
        connect_timeout=min(default.connect_timeout, timeout),
        read_timeout=min(default.read_timeout, timeout),
        total_timeout=timeout,
        retries=retries,
        max_bytes=max_bytes,
        allow_private=allow_private,
        robots=robots,
        seed=seed,
        user_agent=DEFAULT_USER_AGENT if user_agent is None else user_agent,
    )
    policy = replace(policy, **{name: value for name, value in chosen.items() if value is not None})
    table = Manifest.open(manifest, translation=translation())
    report = fetch_images(table, out, policy, retry_failed=retry_failed)
    if as_json:
        failures = [dict(zip(("line", "status", "url", "error"), failure, strict=True)) for failure in report.failures]
        content = asdict(report) | {"out": str(report.out), "failed": report.failed, "failures": failures}
        print(json.dumps(content | {"manifest": str(report.out / "manifest.csv")}))
    else:
        for line, status, url, error in report.failures:
            print(f"row {line}: {status}: {printable(url)}: {printable(error)}")
        if report.failed > len(report.failures):
            print(f"... and {report.failed - len(report.failures)} more rows without an image")
        counts = ", ".join(f"{count} {status}" for status, count in report.counts.items())
        now = f"{report.fetched} downloaded now ({report.bytes_fetched:,} bytes), {report.kept} before"
        print(f"{report.rows} rows: {counts}; {now}")
        if report.shared_content:
            print(f"{report.shared_content} rows have the same image as an earlier row")
        print(f"all rows: {report.out / 'manifest.csv'}; rows with an image: {report.out / 'ok.csv'}")
    if report.failed:
        raise typer.Exit(1)
