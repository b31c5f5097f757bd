"""The application: builds its parts, starts and stops them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

from unmask.bundle.bundle import Bundle
from unmask.detect.detector import Detector
from unmask.detect.thorough import load_thorough
from unmask.imaging.decode_pool import DecodePool
from unmask.imaging.limits import DecodeLimits
from unmask.imaging.session import use_device
from unmask.serve import pages, problems, routes, routes_history, routes_videos
from unmask.serve.access import Gate
from unmask.serve.clips import Clips, why_no_clips
from unmask.serve.engine import Engine
from unmask.serve.explain_queue import ExplainQueue
from unmask.serve.history import History
from unmask.serve.limits import BodyLimit, BodyLimits
from unmask.serve.metrics import Metrics
from unmask.serve.problems import ProblemDetails
from unmask.serve.service import Service
from unmask.serve.settings import Settings
from unmask.serve.store import Store
from unmask.version import __version__

# Time for the images in progress when the service stops; nobody waits for them any more.
_CLOSING_SECONDS = 5.0
# Less for clips: they are told to end before the service waits for open requests.
_CLIP_CLOSING_SECONDS = 0.5

_ABOUT = """Classify faces in images as real or fake.

Send images as `multipart/form-data`. Every error is an RFC 9457 problem (`application/problem+json`) with a stable
`code`. If the service requires a token, send it as `Authorization: Bearer …`."""


def load_detector(settings: Settings) -> Detector:
    """Load the detector that the settings name.

    Raises:
        BundleError: the bundle, or the accurate one that ``thorough`` needs, is missing, broken or altered; ``no_gpu``.
        UsageError: the bundle has no such threshold.
    """
    use_device(settings.device)
    limits = DecodeLimits(
        max_pixels=round(settings.max_megapixels * 1e6),
        max_bytes=settings.max_body,
        max_memory=round(settings.max_decode_mib * 2**20),
    )
    if settings.thorough:
        return load_thorough(settings.model, settings.threshold, limits)
    return Detector(Bundle.open(settings.model), settings.threshold, limits)


def create_app(settings: Settings, detector: Detector, store: Store | None) -> FastAPI:
    """Create the application.

    Args:
        settings: settings of the service.
        detector: a loaded detector.
        store: an open store, which the application closes when it stops; ``None`` keeps no history.
    """
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        history = History(store) if store is not None else None
        workers = settings.workers or os.cpu_count() or 1
        pool = DecodePool(workers, detector.limits, cpu_seconds=settings.decode_seconds)
        for each in (detector, detector.first, *detector.detectors):
            each.decoder = pool.decode
        engine = Engine(
            detector,
            workers=workers,
            batch=settings.batch,
            capacity=max(settings.queue, settings.max_images),
            metrics=metrics,
            thumbnails=store is not None and settings.images_folder is not None,
        )
        explain_queue = ExplainQueue(detector, settings.explanations)
        clips = None
        try:
            if why_no_clips(settings) is None:
                clips = await Clips.start(settings, detector, engine, history, metrics)
            app.state.service = Service(settings, engine, explain_queue, history, metrics, clips)
            if history is not None:
                history.start()
            yield
        finally:
            # All open requests have been answered by now; nobody waits for what is left.
            if clips is not None:
                await clips.close(_CLIP_CLOSING_SECONDS)
            await asyncio.to_thread(engine.close, _CLOSING_SECONDS)
            await asyncio.to_thread(pool.close)
            explain_queue.close()
            if history is not None:
                await history.close()

    app = FastAPI(
        title="unmask",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
        redirect_slashes=False,  # a redirect would lead out of a path prefix that a proxy has cut off
    )
    problems.install(app)
    app.include_router(routes.router)
    app.include_router(routes_history.router)
    app.include_router(routes_videos.router)
    pages.install(app)
    # The middleware added last is the outermost.
    app.add_middleware(
        BodyLimits,
        limit=BodyLimit(settings.max_body, settings.deadline),
        max_total_bytes=round(settings.max_waiting_mib * 2**20),
        metrics=metrics,
        uploads={routes_videos.PATH: BodyLimit(settings.max_clip, settings.clip_upload_seconds, in_memory=False)},
    )
    if settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
        )
    app.add_middleware(Gate, settings=settings, metrics=metrics)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """Describe the API as OpenAPI, with the one schema that all errors share."""
    if not app.openapi_schema:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes,
            separate_input_output_schemas=False,
        )  # fmt: skip
        schemas = schema["components"]["schemas"]
        schemas[ProblemDetails.__name__] = ProblemDetails.model_json_schema(
            ref_template="#/components/schemas/{model}", mode="serialization"
        )
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{}, {"token": []}]
        app.openapi_schema = schema
    return app.openapi_schema
