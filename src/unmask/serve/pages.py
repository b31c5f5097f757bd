"""HTML for browsers: the page and the description of the API."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from unmask.pages.page import render
from unmask.serve.problems import Problem

STATIC = Path(__file__).parent / "static"
# The two pages rendered here have inline styles and no scripts.
_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; frame-ancestors 'none'"


def install(app: FastAPI) -> None:
    """Add the pages to an app. Each request looks for the built files, so the page may be built later."""

    # Rendered once: it takes longer than a verdict.
    missing = cache(lambda: render("unmask.serve/missing.html.j2"))
    described = cache(lambda: render("unmask.serve/docs.html.j2", schema=app.openapi()))

    async def index(request: Request) -> Response:
        if (STATIC / "index.html").is_file():
            return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})
        return _page(missing())

    async def docs(request: Request) -> Response:
        return _page(described())

    async def favicon(request: Request) -> Response:
        found = next((path for path in sorted(STATIC.glob("favicon.*")) if path.is_file()), None)
        if found is None:
            raise Problem(404, "not_found", "There is no icon.")
        return FileResponse(found, headers={"Cache-Control": "max-age=86400"})

    app.add_route("/", index, methods=["GET"], include_in_schema=False)
    app.add_route("/docs", docs, methods=["GET"], include_in_schema=False)
    app.add_route("/favicon.ico", favicon, methods=["GET"], include_in_schema=False)
    app.add_route("/favicon.svg", favicon, methods=["GET"], include_in_schema=False)
    app.mount("/assets", _Assets(directory=STATIC / "assets", check_dir=False), name="assets")


class _Assets(StaticFiles):
    """Built files, whose names change with their content."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        answer = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return answer


def _page(text: str) -> Response:
    return HTMLResponse(text, headers={"Content-Security-Policy": _CSP, "Cache-Control": "no-cache"})
