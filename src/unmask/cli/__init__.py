"""The command ``unmask``: one file a command, each thin over a library call.

A command is imported when it is called, and imports what it needs when it runs. May import everything.
"""

from __future__ import annotations

import gc
import io
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from unmask.errors import UnmaskError
from unmask.text import printable
from unmask.version import __version__

if TYPE_CHECKING:
    from unmask.cli.root import app as app

__all__ = ["app", "main"]


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module 'unmask.cli' has no attribute {name!r}")
    from unmask.cli.root import app

    return app


def main() -> None:
    """Run the command; errors raised on purpose, and those of the system, become one line and an exit code."""
    # Pillow warns about odd metadata in images that it can read.
    warnings.filterwarnings("ignore", module="PIL")
    # To look for plugins, pydantic reads the metadata of every installed package.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name with characters that the encoding of terminal or file lacks must not end the run.
        sys.stdout.reconfigure(errors="backslashreplace")
    # Nothing of what is imported is garbage; a command turns this back, see :class:`unmask.cli.lazy.VerbCommand`.
    gc.disable()
    try:
        try:
            _run()
        finally:
            gc.enable()
            sys.stdout.flush()  # a full disk shows here, not when Python ends
    except UnmaskError as error:
        print(f"unmask: {error.message}", file=sys.stderr)
        if error.code == "graph_deadline":
            # An operator that cannot be stopped may still be running; Python would crash in waiting for it.
            sys.stderr.flush()
            os._exit(error.exit_code)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone, as `head` does.
        _drop_output()
        sys.exit(1)
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        where = "" if error.filename is None else f"{printable(os.fsdecode(error.filename))}: "
        print(f"unmask: {where}{reason}.", file=sys.stderr)
        _drop_output()
        sys.exit(2)


def _run() -> None:
    if sys.argv[1:] == ["--version"]:
        print(f"unmask {__version__}")  # without typer, whose import takes longer than everything else
        return
    from unmask.cli.root import app

    app()


def _drop_output() -> None:
    """Discard what is left in the buffer: Python would fail again when it flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
