"""The API for clips: a clip is accepted as a job, and its verdict is asked for later."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from sqlalchemy import RowMapping
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse

from unmask.detect.verdict import Word
from unmask.serve.clip_files import MEDIA_TYPES
from unmask.serve.clip_schemas import Clip, ClipItem, ClipPage, ClipProgress, ClipVerdict, error_of
from unmask.serve.clip_store import UNFINISHED, ClipQuery, ClipRecord, ClipState
from unmask.serve.clips import Clips
from unmask.serve.export import time_of
from unmask.serve.problems import Problem
from unmask.serve.routes import InService, errors
from unmask.serve.routes_history import NO_NUL
from unmask.serve.schemas import Feedback, FeedbackRecord
from unmask.serve.uploads import read_clip

PATH = "/v1/videos"
router = APIRouter(prefix=PATH, tags=["clips"])

# A client must hear from the service now and then, and a proxy in between, too.
_KEEP_ALIVE_SECONDS = 15.0
# Another instance may have the clip; then only its record says what has changed.
_LOOK_SECONDS = 2.0
_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["video"],
                    "properties": {
                        "video": {"type": "string", "format": "binary", "contentMediaType": "video/*"},
                    },
                }
            }
        },
    }
}


@router.post(
    "",
    summary="Queue a clip",
    status_code=202,
    openapi_extra=_FORM,
    responses=errors(400, 404, 408, 413, 415, 503),
)
async def queue_clip(
    request: Request,
    response: Response,
    service: InService,
    frames: Annotated[int | None, Query(ge=1, le=1024, description="Frames to judge, spread over the clip.")] = None,
) -> Clip:
    """Accept a clip; the response names its job, which `GET /v1/videos/{id}` follows.

    What is no clip, or beyond the limits, is refused at once. Clips have a queue of their own, and images go first.
    """
    clips = service.require_clips()
    limits = service.settings
    if frames is not None and frames > limits.max_clip_frames:
        raise Problem(422, "too_many_frames", f"A request may ask for at most {limits.max_clip_frames} frames.")
    identifier = uuid4()
    chosen: list[Path] = []

    def choose(filename: str) -> Path:
        chosen.append(clips.waiting.file(identifier, filename))
        return chosen[0]

    with clips.queue.place():
        try:
            upload = await read_clip(request, "video", choose)
            digest = await asyncio.to_thread(_digest, upload.path)
            await clips.check(upload.path)
            record = ClipRecord(digest, upload.filename, upload.bytes, frames or clips.frames, id=identifier)
            await clips.queue.add(record, upload.path)
        except BaseException:
            for path in chosen:
                path.unlink(missing_ok=True)
            raise
    response.headers["Location"] = f"/v1/videos/{identifier}"
    return await _clip(clips, identifier)


@router.get("", summary="List clips, newest first", responses=errors(404, 503))
async def list_clips(
    service: InService,
    query: Annotated[
        str,
        Query(max_length=200, pattern=NO_NUL, description="Part of a file name or note, or the start of a hash."),
    ] = "",
    state: Annotated[ClipState | None, Query(description="Only this state.")] = None,
    verdict: Annotated[Word | None, Query(description="Only this verdict.")] = None,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Records per page.")] = 50,
) -> ClipPage:
    """One page; a service without a history lists the clips of the last hour."""
    clips = service.require_clips()
    wanted = ClipQuery(query.strip(), state, verdict)
    rows, following = await clips.records.run(clips.records.store.page, wanted, cursor, limit)
    return ClipPage(items=[ClipItem(**_fields(clips, row)) for row in rows], next=following)


@router.get("/{id}", summary="Get one clip", responses=errors(404, 503))
async def get_clip(service: InService, id: UUID) -> Clip:
    """Its state, its progress while it is being judged, and its verdict."""
    return await _clip(service.require_clips(), id)


@router.get(
    "/{id}/events",
    summary="Follow one clip",
    response_class=StreamingResponse,
    responses={**errors(404, 503), 200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_clip(service: InService, id: UUID) -> StreamingResponse:
    """Server-sent events: `state` with the clip as `GET /v1/videos/{id}` shows it, at first and after each change.

    The stream ends when the clip is done, failed or cancelled, or its record is deleted.
    """
    clips = service.require_clips()
    first = await _clip(clips, id)
    # Proxies must pass each event on at once.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_events(clips, first), media_type="text/event-stream", headers=headers)


@router.post("/{id}/cancel", summary="Cancel one clip", responses=errors(404, 503))
async def cancel_clip(service: InService, id: UUID) -> Clip:
    """A clip that is not finished is not judged any further. Its record stays. A finished one stays as it is."""
    clips = service.require_clips()
    row = await clips.records.run(clips.records.store.cancel, id)
    if row["state"] == "cancelled":
        clips.queue.drop(id)
    return Clip(**_fields(clips, row), verdict=_verdict(row))


@router.delete("/{id}", summary="Delete one clip", status_code=204, responses=errors(404, 503))
async def delete_clip(service: InService, id: UUID) -> None:
    """Delete the record, its verdict and its stored clip unless another record has the same; cancels it before."""
    clips = service.require_clips()
    await clips.records.run(clips.records.store.remove, id)
    clips.queue.drop(id)


@router.get(
    "/{id}/clip",
    summary="Get the stored clip",
    response_class=FileResponse,
    responses={
        **errors(404, 503),
        200: {"content": {"video/*": {"schema": {"type": "string", "format": "binary"}}}},
        206: {
            "description": "Part of the clip",
            "content": {"video/*": {"schema": {"type": "string", "format": "binary"}}},
        },
    },
)
async def get_file(service: InService, id: UUID) -> FileResponse:
    """The uploaded bytes, if the service stores images and clips; in parts where a `Range` is asked for."""
    clips = service.require_clips()
    path = await clips.records.run(clips.records.store.file, id)
    return FileResponse(path, media_type=MEDIA_TYPES[path.suffix[1:]])


@router.post("/{id}/feedback", summary="Give feedback on a clip", responses=errors(400, 404, 408, 409, 413, 503))
async def give_clip_feedback(service: InService, id: UUID, feedback: Feedback) -> Clip:
    """Right, wrong or unsure, with a note; replaces earlier feedback."""
    clips = service.require_clips()
    row = await clips.records.run(clips.records.store.give_feedback, id, feedback)
    return Clip(**_fields(clips, row), verdict=_verdict(row))


async def _events(clips: Clips, shown: Clip) -> AsyncIterator[str]:
    silent = 0.0
    yield _event(shown)
    while shown.state in UNFINISHED:
        job = clips.queue.job(shown.id)
        try:
            async with asyncio.timeout(_LOOK_SECONDS):
                await (job.changed.wait() if job is not None else asyncio.sleep(_LOOK_SECONDS))
        except TimeoutError:
            silent += _LOOK_SECONDS
        try:
            now = await _clip(clips, shown.id)
        except Problem:  # its record was deleted
            return
        if now != shown:
            shown, silent = now, 0.0
            yield _event(shown)
        elif silent >= _KEEP_ALIVE_SECONDS:
            silent = 0.0
            yield ": waiting\n\n"


def _event(clip: Clip) -> str:
    return f"event: state\ndata: {clip.model_dump_json()}\n\n"


async def _clip(clips: Clips, identifier: UUID) -> Clip:
    row = await clips.records.run(clips.records.store.get, identifier)
    return Clip(**_fields(clips, row), verdict=_verdict(row))


def _verdict(row: RowMapping) -> ClipVerdict | None:
    return ClipVerdict.model_validate_json(row["verdict"]) if row["verdict"] else None


def _fields(clips: Clips, row: RowMapping) -> dict[str, Any]:
    job = clips.queue.job(row["id"]) if row["state"] in UNFINISHED else None
    running = job is not None and job.state == "running"
    said = row["feedback"] and FeedbackRecord(
        verdict=row["feedback"], note=row["note"] or "", time=time_of(row["feedback_ms"])
    )
    same = ("id", "sha256", "filename", "bytes", "frames", "state", "word", "fake_probability")
    return {
        **{name: row[name] for name in same},
        "time": time_of(row["time_ms"]),
        "ended": None if row["ended_ms"] is None else time_of(row["ended_ms"]),
        "position": clips.queue.position(job) if job is not None else None,
        "progress": ClipProgress(judged=job.judged, total=job.total) if job is not None and running else None,
        "error": error_of(row["error"]),
        "feedback": said or None,
        "clip": f"/v1/videos/{row['id']}/clip" if row["clip"] else None,
    }


def _digest(path: Path) -> str:
    """The SHA-256 of a file, which is on the disk after this."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    return found
