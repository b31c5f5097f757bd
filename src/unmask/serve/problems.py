"""Errors as RFC 9457 problem details, whatever raised them."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from unmask.errors import ImageError

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("unmask.serve")

# Where an unreadable image is not simply content that cannot be processed (422).
_STATUS_OF_IMAGE = {"unsupported_format": 415, "file_too_large": 413, "out_of_memory": 503}
_CODE_OF_STATUS = {
    400: "bad_body",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    422: "invalid_request",
}


class ProblemDetails(BaseModel):
    """The body of every error (RFC 9457)."""

    type: str = Field("about:blank", description="Always about:blank: the status and `code` say what it is.")
    title: str = Field(description="The status in words.")
    status: int
    detail: str = Field(description="One sentence for people.")
    code: str = Field(description="Short stable identifier for programs, e.g. `truncated`.")
    instance: str | None = Field(None, description="The request, as in the service's log.")
    errors: list[dict[str, Any]] | None = Field(None, description="Of an invalid request: what is wrong where.")


class Problem(HTTPException):
    """An error that becomes a problem response.

    Args:
        status: of HTTP.
        code: short stable identifier.
        detail: one sentence for people.
        headers: to send along.
    """

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code


def of_image(error: ImageError) -> Problem:
    """The problem that an unreadable image is."""
    return Problem(_STATUS_OF_IMAGE.get(error.code, 422), error.code, error.message)


def response(
    problem: HTTPException, instance: str | None = None, errors: list[dict[str, Any]] | None = None
) -> Response:
    """A problem as a response."""
    status = problem.status_code
    code = problem.code if isinstance(problem, Problem) else _CODE_OF_STATUS.get(status, "http_error")
    body = ProblemDetails(
        title=http.HTTPStatus(status).phrase,
        status=status,
        detail=str(problem.detail),
        code=code,
        instance=instance,
        errors=errors,
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, dict(problem.headers or {}), media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make the errors of an app problem responses; ``Gate`` does so with those that nobody foresaw."""

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return response(error, _instance(request))

    async def of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # What was sent is left out: it may be long, and it is the sender's.
        found = [{"where": [str(step) for step in item["loc"]], "message": item["msg"]} for item in error.errors()]
        first = f"{'.'.join(found[0]['where'])}: {found[0]['message']}" if found else "The request is not valid."
        return response(Problem(422, "invalid_request", first), _instance(request), found)

    async def of_image_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ImageError)
        return response(of_image(error), _instance(request))

    async def of_database(request: Request, error: Exception) -> Response:
        log.error("the store failed: %s", type(error).__name__, exc_info=error)
        problem = Problem(503, "store_unavailable", "The history cannot be reached.", {"Retry-After": "5"})
        return response(problem, _instance(request))

    async def of_nobody(request: Request, error: Exception) -> Response:
        return Response(status_code=400)  # the client left while it was sending: nobody reads this

    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(ImageError, of_image_error)
    app.add_exception_handler(SQLAlchemyError, of_database)
    app.add_exception_handler(ClientDisconnect, of_nobody)


def _instance(request: Request) -> str | None:
    found = request.scope.get("unmask.request_id")
    return f"urn:uuid:{found}" if found else None
