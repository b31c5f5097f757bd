"""What the exit code of ``unmask detect`` follows from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from unmask.detect.judged import Judged
from unmask.errors import UsageError

_ALARMS: Final[dict[str, Callable[[Judged], bool]]] = {
    "fake": lambda verdict: verdict.verdict == "FAKE",
    "uncertain": lambda verdict: verdict.uncertain,
    "mark": lambda verdict: bool(verdict.marks),
}


class Tally:
    """Counts verdicts.

    Args:
        fail_on: the names of what raises the alarm, separated by commas; ``None`` for nothing.

    Attributes:
        total: verdicts, those with errors included.
        failed: whether any image could not be read.
        alarm: whether anything in ``fail_on`` was found.

    Raises:
        UsageError: ``bad_fail_on``: a name is not known.
    """

    def __init__(self, fail_on: str | None = None) -> None:
        names = [] if fail_on is None else [name.strip() for name in fail_on.split(",")]
        for name in names:
            if name not in _ALARMS:
                raise UsageError("bad_fail_on", f"--fail-on must list {', '.join(_ALARMS)}, not {name!r}.")
        self._alarms = [_ALARMS[name] for name in names]
        self.total = 0
        self.failed = self.alarm = False

    def add(self, verdict: Judged) -> None:
        """Count one."""
        self.total += 1
        self.failed |= verdict.error is not None
        self.alarm |= any(is_alarm(verdict) for is_alarm in self._alarms)
