"""``unmask data``: gather, check, cut and make the images of a data set."""

from __future__ import annotations

import typer

from unmask.cli.data import audit as data_audit
from unmask.cli.data import faces as data_faces
from unmask.cli.data import fetch as data_fetch
from unmask.cli.data import sheet as data_sheet
from unmask.cli.data import split as data_split
from unmask.cli.data import synthesize as data_synthesize

app = typer.Typer(
    help="Gather, check, cut and make the images of a data set.", no_args_is_help=True, rich_markup_mode=None
)
app.command("audit")(data_audit.audit)
app.command("split")(data_split.split)
app.command("fetch")(data_fetch.fetch)
app.command("faces")(data_faces.faces)
app.command("synthesize")(data_synthesize.synthesize)
app.command("sheet")(data_sheet.sheet)
