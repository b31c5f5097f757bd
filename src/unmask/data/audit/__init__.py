"""What is wrong with a manifest's images before a network learns it: ``unmask data audit``.

:func:`~unmask.data.audit.run.audit` reads every image once (:mod:`facts`), looks for copies
(:mod:`copies`), trains classifiers that ought to fail (:mod:`probe`), puts what it finds into sentences
(:mod:`findings`, :mod:`rules`) and figures (:mod:`summary`), and :mod:`page` makes a page of it. May import what
:mod:`unmask.data` may. The probes need scikit-learn, of the extra ``train``,
imported when they are used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unmask.lazy import lazy_names

if TYPE_CHECKING:
    from unmask.data.audit.run import Audit, audit

__all__ = ["Audit", "audit"]

__getattr__, __dir__ = lazy_names(__name__, dict.fromkeys(__all__, "unmask.data.audit.run"))
