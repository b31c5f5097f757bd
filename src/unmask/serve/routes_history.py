"""The API of the history: what was judged, what people said of it, and the export of both."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from sqlalchemy import RowMapping
from starlette.responses import Response, StreamingResponse

from unmask.serve import store
from unmask.serve.export import export_csv, time_of
from unmask.serve.images import MEDIA_TYPES
from unmask.serve.routes import InService, errors
from unmask.serve.schemas import Feedback, FeedbackRecord, HistoryItem, HistoryPage, HistoryRecord, Judgement, Label

router = APIRouter(prefix="/v1", tags=["history"])
_NO_NUL = r"^[^\x00]*$"


@router.get("/history", summary="Verdicts, newest first", responses=errors(404, 503))
async def list_history(
    service: InService,
    query: Annotated[
        str,
        Query(max_length=200, pattern=_NO_NUL, description="Part of a file name or note, or the beginning of a hash."),
    ] = "",
    result: Annotated[Label | None, Query(description="Only these verdicts.")] = None,
    uncertain: Annotated[bool | None, Query(description="Only those flagged as uncertain, or not.")] = None,
    feedback: Annotated[Judgement | Literal["none"] | None, Query(description="Only those with this feedback.")] = None,
    cursor: Annotated[str | None, Query(max_length=100, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=200, description="Records on the page.")] = 50,
) -> HistoryPage:
    """One page; `next` leads to the following one, also while new verdicts come in."""
    history = service.past()
    asked = store.Query(query.strip(), result, uncertain, feedback)
    rows, following = await history.run(history.store.page, asked, cursor, limit)
    return HistoryPage(items=[HistoryItem(**_fields(row)) for row in rows], next=following)


@router.get("/history/{id}", summary="One verdict", responses=errors(404, 503))
async def get_record(service: InService, id: UUID) -> HistoryRecord:
    """The verdict as it was answered, with its feedback."""
    history = service.past()
    return _record(await history.run(history.store.get, id))


@router.delete("/history/{id}", summary="Delete one verdict", status_code=204, responses=errors(404, 503))
async def delete_record(service: InService, id: UUID) -> None:
    """The record goes, and the kept image with it unless another record has the same."""
    history = service.past()
    await history.run(history.store.remove, id)


@router.get(
    "/history/{id}/image",
    summary="The kept image",
    response_class=Response,
    responses={**errors(404, 503), 200: {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def get_image(service: InService, id: UUID) -> Response:
    """The uploaded bytes, where the service keeps images."""
    history = service.past()
    row = await history.run(history.store.get, id)
    data = await history.run(history.store.image, row)
    return Response(data, media_type=MEDIA_TYPES[row["image"].rpartition(".")[2]])


@router.post(
    "/history/{id}/feedback", summary="Say whether a verdict was right", responses=errors(400, 404, 408, 413, 503)
)
async def give_feedback(service: InService, id: UUID, feedback: Feedback) -> HistoryRecord:
    """Right, wrong or unsure, with a note; it replaces what was said before."""
    history = service.past()
    return _record(await history.run(history.store.judge, id, feedback))


@router.get(
    "/export",
    summary="A manifest for training",
    response_class=StreamingResponse,
    responses={**errors(404, 503), 200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export(
    service: InService,
    rows: Annotated[
        Literal["labelled", "all"],
        Query(description="`labelled`: images called right or wrong, a manifest. `all`: every record, to read."),
    ] = "labelled",
) -> StreamingResponse:
    """CSV that `unmask train` and `unmask calibrate` take, beside the folder of kept images."""
    history = service.past()
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
    return {
        **{name: row[name] for name in same},
        "time": time_of(row["time_ms"]),
        "feedback": said or None,
        "image": f"/v1/history/{row['id']}/image" if row["image"] else None,
    }


def _record(row: RowMapping) -> HistoryRecord:
    return HistoryRecord(**_fields(row), verdict=json.loads(row["verdict"]))
