"""HTML for browsers: the page and the description of the API."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from unmask.pages.page import policy, render
from unmask.serve.problems import Problem
from unmask.serve.static_files import Assets, send_file

STATIC = Path(__file__).parent / "static"
_TRY = "unmask.serve/try.js"


def install(app: FastAPI) -> None:
    """Add the pages to an app. Each request looks for the built files, so the page may be built later."""

    # Rendered once: it takes longer than a verdict.
    missing = cache(lambda: render("unmask.serve/missing.html.j2"))
    described = cache(lambda: render("unmask.serve/docs.html.j2", script=_TRY, connects=True, schema=app.openapi()))

    async def index(request: Request) -> Response:
        if (STATIC / "index.html").is_file():
            return send_file(STATIC / "index.html", request.headers, "no-cache")
        return _page(missing(), policy())

    async def docs(request: Request) -> Response:
        return _page(described(), policy(_TRY, connects=True))

    async def favicon(request: Request) -> Response:
        icons = (path for path in sorted(STATIC.glob("favicon.*")) if path.suffix in (".svg", ".ico", ".png"))
        found = next((path for path in icons if path.is_file()), None)
        if found is None:
            raise Problem(404, "not_found", "There is no icon.")
        return send_file(found, request.headers, "max-age=86400")

    app.add_route("/", index, methods=["GET"], include_in_schema=False)
    app.add_route("/docs", docs, methods=["GET"], include_in_schema=False)
    app.add_route("/favicon.ico", favicon, methods=["GET"], include_in_schema=False)
    app.add_route("/favicon.svg", favicon, methods=["GET"], include_in_schema=False)
    app.mount("/assets", Assets(directory=STATIC / "assets", check_dir=False), name="assets")


def _page(text: str, allowed: str) -> Response:
    # In a header, too: only there can a page refuse to be framed.
    headers = {"Content-Security-Policy": f"{allowed}; frame-ancestors 'none'", "Cache-Control": "no-cache"}
    return HTMLResponse(text, headers=headers)
