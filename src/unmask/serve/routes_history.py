"""The API for the history: past verdicts, feedback on them, and the export of both."""

from __future__ import annotations

import asyncio
import base64
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import RowMapping
from starlette.responses import Response, StreamingResponse

from unmask.detect.verdict import Label, Word
from unmask.serve import store
from unmask.serve.evidence import from_text
from unmask.serve.export import export_csv, time_of
from unmask.serve.images import MEDIA_TYPES
from unmask.serve.routes import InService, errors
from unmask.serve.schemas import (
    Feedback,
    FeedbackRecord,
    HistoryItem,
    HistoryPage,
    HistoryRecord,
    Judgement,
    VerdictFields,
)
from unmask.serve.stored import complete

router = APIRouter(prefix="/v1", tags=["history"])
NO_NUL = r"^[^\x00]*$"


@router.get("/history", summary="List past verdicts, newest first", responses=errors(404, 503))
async def list_history(
    service: InService,
    query: Annotated[
        str,
        Query(max_length=200, pattern=NO_NUL, description="Part of a file name or note, or the start of a hash."),
    ] = "",
    verdict: Annotated[Word | None, Query(description="Only this verdict.")] = None,
    marked: Annotated[bool | None, Query(description="Only images with marks, or only others.")] = None,
    result: Annotated[Label | None, Query(description="Only verdicts with this result.")] = None,
    uncertain: Annotated[bool | None, Query(description="Only uncertain verdicts, or only others.")] = None,
    feedback: Annotated[Judgement | Literal["none"] | None, Query(description="Only with this feedback.")] = None,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the previous page.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Records per page.")] = 50,
) -> HistoryPage:
    """One page; `next` leads to the next page, even while new verdicts arrive."""
    history = service.require_history()
    wanted = store.Query(query.strip(), verdict, marked, result, uncertain, feedback)
    rows, following = await history.run(history.store.page, wanted, cursor, limit)
    return HistoryPage(items=[_item(row) for row in rows], next=following)


@router.get("/history/{id}", summary="Get one verdict", responses=errors(404, 503))
async def get_record(service: InService, id: UUID) -> HistoryRecord:
    """The verdict as it was returned, with its feedback and its evidence."""
    history = service.require_history()
    return await _record(await history.run(history.store.get, id))


@router.delete("/history/{id}", summary="Delete one verdict", status_code=204, responses=errors(404, 503))
async def delete_record(service: InService, id: UUID) -> None:
    """Delete the record, and its stored image unless another record has the same image."""
    history = service.require_history()
    await history.run(history.store.remove, id)


@router.get(
    "/history/{id}/image",
    summary="Get the stored image",
    response_class=Response,
    responses={**errors(404, 503), 200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def get_image(service: InService, id: UUID) -> Response:
    """The uploaded bytes, if the service stores images."""
    history = service.require_history()
    row = await history.run(history.store.get, id)
    data = await history.run(history.store.image, row)
    return Response(data, media_type=MEDIA_TYPES[row["image"].rpartition(".")[2]])


@router.post("/history/{id}/feedback", summary="Give feedback on a verdict", responses=errors(400, 404, 408, 413, 503))
async def give_feedback(service: InService, id: UUID, feedback: Feedback) -> HistoryRecord:
    """Right, wrong or unsure, with a note; replaces earlier feedback."""
    history = service.require_history()
    return await _record(await history.run(history.store.give_feedback, id, feedback))


@router.get(
    "/export",
    summary="Export the history as CSV",
    response_class=StreamingResponse,
    responses={**errors(404, 503), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export(
    service: InService,
    rows: Annotated[
        Literal["labelled", "all"],
        Query(
            description="`labelled`: FAKE and REAL verdicts marked right or wrong, as a manifest. `all`: every record, "
            "to read."
        ),
    ] = "labelled",
) -> StreamingResponse:
    """A manifest for `unmask train` and `unmask calibrate`; its paths are relative to the folder of stored images."""
    history = service.require_history()
    return StreamingResponse(
        export_csv(history, everything=rows == "all"),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="unmask-{rows}.csv"'},
    )


def _fields(row: RowMapping) -> dict[str, Any]:
    said = row["feedback"] and FeedbackRecord(
        verdict=row["feedback"], note=row["note"] or "", time=time_of(row["feedback_ms"])
    )
    same = ("id", "sha256", "filename", "result", "fake_probability", "uncertain", "model")
    thumbnail = row["thumbnail"]
    return {
        **{name: row[name] for name in same},
        "time": time_of(row["time_ms"]),
        "feedback": said or None,
        "image": f"/v1/history/{row['id']}/image" if row["image"] else None,
        "thumbnail": thumbnail and f"data:image/jpeg;base64,{base64.b64encode(thumbnail).decode()}",
    }


def _item(row: RowMapping) -> HistoryItem:
    content = complete(row["verdict"])
    return HistoryItem(**_fields(row), verdict=content["verdict"], marks=content["marks"])


async def _record(row: RowMapping) -> HistoryRecord:
    content = {"sha256": row["sha256"], **complete(row["verdict"])}
    evidence = row["evidence"] and await asyncio.to_thread(from_text, row["evidence"])
    return HistoryRecord(**_fields(row), verdict=VerdictFields(**content), marks=content["marks"], evidence=evidence)
