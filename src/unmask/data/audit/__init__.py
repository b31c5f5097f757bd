"""Finds leaks, duplicates and shortcuts in a data set before a network learns them: ``unmask data audit``.

:func:`~unmask.data.audit.run.audit` reads every image once (:mod:`facts`), finds copies (:mod:`copies`), trains
classifiers that should fail (:mod:`probe`), and reports findings (:mod:`findings`, :mod:`rules`), statistics
(:mod:`summary`) and a page (:mod:`page`). May import what :mod:`unmask.data` may. The probes need scikit-learn from the
extra ``train``, imported when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmask.lazy import lazy_names

if TYPE_CHECKING:
    from unmask.data.audit.run import Audit, audit

__all__ = ["Audit", "audit"]

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, "unmask.data.audit.run"))
