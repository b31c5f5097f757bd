"""``unmask data fetch``: images from the URLs of a manifest."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from unmask.text import printable


def fetch(
    manifest: Annotated[Path, typer.Argument(help="CSV or Parquet table with the columns url and label.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the images; nothing is written outside it.")],
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try again what failed before.")] = False,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Also ask loopback, private and link-local addresses.")
    ] = False,
    robots: Annotated[bool, typer.Option("--robots", help="Read and obey each server's robots.txt.")] = False,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests under way at once.")] = 16,
    per_host: Annotated[int, typer.Option(min=1, help="Requests under way at once to one host.")] = 4,
    min_interval: Annotated[
        float, typer.Option(min=0, help="Seconds between the starts of two requests to one host.")
    ] = 0.1,
    connect_timeout: Annotated[float, typer.Option(min=0.01, help="Seconds to connect.")] = 10.0,
    read_timeout: Annotated[float, typer.Option(min=0.01, help="Seconds without a byte.")] = 20.0,
    total_timeout: Annotated[float, typer.Option(min=0.01, help="Seconds for one attempt.")] = 120.0,
    retries: Annotated[int, typer.Option(min=0, help="Further attempts after what may pass.")] = 3,
    backoff: Annotated[
        float, typer.Option(min=0, help="Seconds before the first retry; doubled for each further one.")
    ] = 1.0,
    max_redirects: Annotated[int, typer.Option(min=0, help="Redirects followed.")] = 5,
    max_bytes: Annotated[int, typer.Option(min=1, help="Bytes of one image.")] = 32 * 2**20,
    formats: Annotated[
        str, typer.Option(metavar="LIST", help="Formats accepted, by content and not by name.")
    ] = "jpeg,png,webp,gif,bmp,tiff,avif",
    decode: Annotated[bool, typer.Option("--decode/--no-decode", help="Whether an image must also decode.")] = True,
    user_agent: Annotated[
        str | None, typer.Option(help="Who to say we are, e.g. with a way to reach you; by default unmask/VERSION.")
    ] = None,
    seed: Annotated[int, typer.Option(help="What the random part of waiting is drawn from.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Report the result as JSON.")] = False,
) -> None:
    """Fetch the images of a manifest's URLs, and say of every row what became of it.

    DIR/manifest.csv holds every row with its status, DIR/ok.csv those whose image is there. Run again, the command
    goes on where it stopped and fetches nothing twice. Exit code 1 when any row has no image.

    Example:

      unmask data fetch urls.csv --out faces --robots --user-agent "faces-study (me@example.org)"
    """
    from unmask.data.fetch.policy import DEFAULT_USER_AGENT
    from unmask.data.fetch.run import FetchPolicy
    from unmask.data.fetch.run import fetch as fetch_images
    from unmask.data.manifest import Manifest

    policy = FetchPolicy(
        concurrency=concurrency,
        per_host=per_host,
        min_interval=min_interval,
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        total_timeout=total_timeout,
        retries=retries,
        backoff=backoff,
        max_redirects=max_redirects,
        max_bytes=max_bytes,
        formats=frozenset(name.strip().upper() for name in formats.split(",") if name.strip()),
        decode=decode,
        allow_private=allow_private,
        robots=robots,
        seed=seed,
        user_agent=DEFAULT_USER_AGENT if user_agent is None else user_agent,
    )
    report = fetch_images(Manifest.open(manifest), out, policy, retry_failed=retry_failed)
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
        now = f"{report.fetched} fetched now ({report.bytes_fetched:,} bytes), {report.kept} kept"
        print(f"{report.rows} rows: {counts}; {now}")
        if report.shared_content:
            print(f"{report.shared_content} rows have the same image as a row before them")
        print(f"every row with its status: {report.out / 'manifest.csv'}; those with an image: {report.out / 'ok.csv'}")
    if report.failed:
        raise typer.Exit(1)
