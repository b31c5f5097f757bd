"""The API for verdicts, model, health and metrics; for the history see ``routes_history``."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from unmask.detect.verdict import Verdict
from unmask.explain.page import SCRIPT
from unmask.pages.page import policy
from unmask.serve import problems
from unmask.serve.clips import limits_of
from unmask.serve.evidence import overlays
from unmask.serve.limits import until
from unmask.serve.metrics import CONTENT_TYPE
from unmask.serve.problems import Problem, ProblemDetails
from unmask.serve.schemas import Detected, Detection, Explained, Health, Model, Ready, SecondModel, ServiceLimits
from unmask.serve.service import Service, service_of, while_connected
from unmask.serve.store import Record
from unmask.serve.uploads import Upload, read_uploads
from unmask.version import __version__

router = APIRouter()
InService = Annotated[Service, Depends(service_of)]

_TITLES = {
    400: "Malformed request body",
    401: "Missing or wrong bearer token",
    403: "Request from another site's page",
    404: "Not found",
    408: "Request not received in time",
    409: "The record has no verdict",
    413: "Request too large",
    415: "Unsupported format, or not a multipart form",
    421: "Host name not accepted",
    422: "Unreadable image or clip, too many pixels, or invalid request",
    429: "Too many requests, images or clips; Retry-After gives the seconds to wait",
    500: "Unexpected error in the service",
    503: "History not available, or too little memory",
    504: "Response not ready in time",
}
_STORE_SECONDS = 5.0
_EVERYWHERE = (401, 403, 421, 422, 429, 500)


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe the problem responses of a route."""
    content = {problems.MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}}}
    return {
        status: {"description": _TITLES[status], "content": content} for status in sorted({*_EVERYWHERE, *statuses})
    }


def form(field: str, *, many: bool = False) -> dict[str, Any]:
    """Describe a multipart request with images in one field."""
    file: dict[str, Any] = {"type": "string", "format": "binary", "contentMediaType": "image/*"}
    schema = {"type": "array", "items": file, "minItems": 1} if many else file
    body = {"schema": {"type": "object", "required": [field], "properties": {field: schema}}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": body}}}


_UPLOAD_ERRORS = errors(400, 408, 413, 415, 503, 504)


async def _one_upload(request: Request) -> Upload:
    return (await read_uploads(request, "image", 1))[0]


async def _many_uploads(request: Request, service: InService) -> list[Upload]:
    return await read_uploads(request, "images", service.settings.max_images)


@router.post(
    "/predict",
    tags=["verdicts"],
    summary="Classify one image",
    openapi_extra=form("image"),
    responses=_UPLOAD_ERRORS,
)
async def predict(request: Request, service: InService, upload: Annotated[Upload, Depends(_one_upload)]) -> Detected:
    """`result` REAL or FAKE with a `confidence` of at least 50, and the other fields of the verdict.

    `result` says on which side of the threshold `fake_probability` lies, `confidence` how probable that class is. Where
    the image has no face, or the probability lies in the uncertain band, only `verdict` says so: prefer it.
    """
    return (await _detect(request, service, [upload], evidence=False))[0]


@router.post(
    "/v1/detect",
    tags=["verdicts"],
    summary="Classify one or more images",
    openapi_extra=form("images", many=True),
    responses=_UPLOAD_ERRORS,
)
async def detect(
    request: Request,
    service: InService,
    uploads: Annotated[list[Upload], Depends(_many_uploads)],
    evidence: Annotated[bool, Query(description="Also return evidence overlays.")] = False,
) -> Detection:
    """Verdicts in the order of the images.

    Among several images, an unreadable one has an `error` in the list; a single unreadable image gives an error
    response.
    """
    return Detection(results=await _detect(request, service, uploads, evidence=evidence))


@router.post(
    "/v1/explain",
    tags=["verdicts"],
    summary="Explain the verdict on one image",
    openapi_extra=form("image"),
    responses=_UPLOAD_ERRORS,
)
async def explain(
    request: Request,
    service: InService,
    upload: Annotated[Upload, Depends(_one_upload)],
    faithfulness: Annotated[
        bool, Query(description="Compare the evidence map with other maps too, not only with random orders: slower.")
    ] = False,
) -> Explained:
    """Sentences, evidence, forensic views, metadata and content credentials. Nothing is stored."""
    async with until(request.scope["unmask.deadline"]):
        work = service.explain_queue.explain(upload.data, faithfulness=faithfulness)
        return Explained(**await while_connected(request, work))


@router.post(
    "/v1/report",
    tags=["verdicts"],
    summary="Write a report on one image",
    response_class=HTMLResponse,
    openapi_extra=form("image"),
    responses={**_UPLOAD_ERRORS, 200: {"content": {"text/html": {"schema": {"type": "string"}}}}},
)
async def report(
    request: Request,
    service: InService,
    upload: Annotated[Upload, Depends(_one_upload)],
    faithfulness: Annotated[
        bool, Query(description="Compare the evidence map with other maps too, not only with random orders: slower.")
    ] = False,
) -> HTMLResponse:
    """The explanation as one HTML page to cite, which needs nothing else and prints on two pages. Nothing is stored."""
    async with until(request.scope["unmask.deadline"]):
        work = service.explain_queue.report(upload.data, upload.filename, faithfulness=faithfulness)
        return HTMLResponse(await while_connected(request, work), headers=_report_headers(upload.data))


@router.get("/v1/model", tags=["service"], summary="Describe the detector and the service's limits", responses=errors())
async def model(service: InService) -> Model:
    """Training card, thresholds with their budgets, uncertain band, hashes; what the service accepts and stores."""
    detector, settings = service.engine.detector, service.settings
    info = detector.bundle.info
    named = next((item for item in info.thresholds if item.fake_probability == detector.threshold), None)
    return Model(
        model=detector.model_name,
        bundle_sha256=detector.bundle.sha256,
        threshold=detector.threshold,
        threshold_name=named.name if named else None,
        false_positive_budget=named.false_positive_budget if named else None,
        thresholds=list(info.thresholds),
        uncertain=info.uncertain,
        bundle=info.model_dump(mode="json"),
        second=next(
            (
                SecondModel(model=each.model_name, bundle_sha256=each.bundle.sha256, threshold=each.threshold)
                for each in detector.detectors[1:]
            ),
            None,
        ),
        limits=ServiceLimits(
            max_body_bytes=settings.max_body,
            max_images=settings.max_images,
            max_pixels=detector.limits.max_pixels,
            deadline_s=settings.deadline,
            keeps_history=service.history is not None,
            keeps_images=settings.images_folder is not None,
            keep_days=settings.keep_days,
            token_required=bool(settings.token_hashes),
            clips=limits_of(settings) if service.clips is not None else None,
        ),
    )


@router.get("/ready", tags=["service"], summary="Check that the service accepts images", responses=errors(503))
async def ready(service: InService) -> Ready:
    """Needs no token and has no rate limit. 503 while the service stops or its queue is full, or with a dead store."""
    if service.engine.closing or service.engine.in_queue >= service.engine.capacity:
        raise Problem(503, "not_ready", "The service accepts no more images at present.", {"Retry-After": "1"})
    if service.history is not None:
        async with until(asyncio.get_running_loop().time() + _STORE_SECONDS):
            await service.history.run(service.history.store.check)
    return Ready(status="ready")


@router.get("/health", tags=["service"], summary="Check that the service is running", responses=errors(503))
async def health(service: InService) -> Health:
    """Needs no token and has no rate limit. 503 if images wait and none has been finished within the deadline."""
    stalled = service.engine.stalled_seconds
    if stalled > service.settings.deadline:
        raise Problem(503, "stalled", f"Images are waiting, and none has been finished for {stalled:.0f} s.")
    return Health(
        status="ok",
        model=service.engine.detector.model_name,
        bundle_sha256=service.engine.detector.bundle.sha256,
        version=__version__,
        store=service.settings.store_kind,
        waiting=service.engine.in_queue,
        queue=service.engine.capacity,
    )


@router.get(
    "/metrics",
    tags=["service"],
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={**errors(), 200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(service: InService) -> Response:
    """Requests, response times, images by outcome, queue and process."""
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


def _report_headers(data: bytes) -> dict[str, str]:
    """Headers of a report: its own strict policy, and a file name that holds no text of the sender."""
    return {
        # Sandboxed: on the service's own address, even a page that was tampered with could reach nothing of it.
        "Content-Security-Policy": f"{policy(SCRIPT)}; frame-ancestors 'none'; sandbox allow-scripts allow-modals "
        "allow-popups allow-popups-to-escape-sandbox",
        "Content-Disposition": f'attachment; filename="unmask-report-{hashlib.sha256(data).hexdigest()[:12]}.html"',
    }


async def _detect(request: Request, service: Service, uploads: list[Upload], *, evidence: bool) -> list[Detected]:
    judged = await service.judge(request, uploads)
    alone = judged[0][0].error if len(judged) == 1 else None
    if alone is not None:
        raise problems.of_image(alone)
    return [
        await _detected(upload, verdict, record, evidence=evidence)
        for upload, (verdict, record) in zip(uploads, judged, strict=True)
    ]


async def _detected(upload: Upload, verdict: Verdict, record: Record | None, *, evidence: bool) -> Detected:
    drawn = await asyncio.to_thread(overlays, verdict) if evidence else None
    return Detected(
        **verdict.to_json(),
        filename=upload.filename,
        id=record.id if record is not None else None,
        evidence=drawn,
    )
