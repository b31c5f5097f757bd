"""All errors as RFC 9457 problem details."""

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

from unmask.errors import BundleError, ImageError, UsageError

MEDIA_TYPE = "application/problem+json"
log = logging.getLogger("unmask.serve")

# Status of an unreadable image, where it is not 422 (unprocessable content).
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

    type: str = Field("about:blank", description="Always `about:blank`; `status` and `code` identify the problem.")
    title: str = Field(description="HTTP status phrase.")
    status: int
    detail: str = Field(description="What went wrong, in one sentence.")
    code: str = Field(description="Short stable identifier, e.g. `truncated`.")
    instance: str | None = Field(None, description="Identifier of the request, as in the service's log.")
    errors: list[dict[str, Any]] | None = Field(None, description="For an invalid request: each error and its place.")


class Problem(HTTPException):
    """An error that is sent as a problem response.

    Args:
        status: HTTP status.
        code: short stable identifier.
        detail: what went wrong, in one sentence.
        headers: extra response headers.
    """

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.code = code


def of_image(error: ImageError) -> Problem:
    """Describe an unreadable image as a problem."""
    return Problem(_STATUS_OF_IMAGE.get(error.code, 422), error.code, error.message)


def response(
    problem: HTTPException, instance: str | None = None, errors: list[dict[str, Any]] | None = None
) -> Response:
    """Build the response for a problem."""
    content = details(problem, instance, errors)
    return JSONResponse(content, problem.status_code, dict(problem.headers or {}), media_type=MEDIA_TYPE)


def details(
    problem: HTTPException, instance: str | None = None, errors: list[dict[str, Any]] | None = None
) -> dict[str, Any]:
    """Describe a problem as the body of its response."""
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
    return body.model_dump(exclude_none=True)


def install(app: FastAPI) -> None:
    """Send the errors of an app as problem responses; ``Gate`` does the same for unexpected ones."""

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return response(error, _instance(request))

    async def of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # Leave out the input itself: it may be long, and it is private.
        found = [{"where": [str(step) for step in item["loc"]], "message": item["msg"]} for item in error.errors()]
        first = f"{'.'.join(found[0]['where'])}: {found[0]['message']}" if found else "Invalid request."
        return response(Problem(422, "invalid_request", first), _instance(request), found)

    async def of_image_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ImageError)
        return response(of_image(error), _instance(request))

    async def of_bundle_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, BundleError)
        log.error("the detector failed: %s: %s", error.code, error.message)
        return response(Problem(500, error.code, "The detector failed on this image."), _instance(request))

    async def of_database(request: Request, error: Exception) -> Response:
        log.error("the store failed: %s", type(error).__name__, exc_info=error)
        problem = Problem(503, "store_unavailable", "The history is not available.", {"Retry-After": "5"})
        return response(problem, _instance(request))

    async def of_disk(request: Request, error: Exception) -> Response:
        # Of the program itself: what a client sends is refused by other errors.
        log.error("the disk failed: %s", error)
        problem = Problem(503, "storage_unavailable", "The image cannot be stored.", {"Retry-After": "60"})
        return response(problem, _instance(request))

    async def of_nobody(request: Request, error: Exception) -> Response:
        return Response(status_code=400)  # the client disconnected while sending: nobody reads this

    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(ImageError, of_image_error)
    app.add_exception_handler(BundleError, of_bundle_error)
    app.add_exception_handler(SQLAlchemyError, of_database)
    app.add_exception_handler(OSError, of_disk)
    app.add_exception_handler(UsageError, of_disk)
    app.add_exception_handler(ClientDisconnect, of_nobody)


def _instance(request: Request) -> str | None:
    found = request.scope.get("unmask.request_id")
    return f"urn:uuid:{found}" if found else None
