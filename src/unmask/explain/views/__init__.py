"""Forensic views: other ways to look at an image, with measurements against the range of real photographs.

:func:`forensic_views` runs every registered view. A view is one function in one module of this package, registered
by :func:`~unmask.explain.views.view.register`. The ranges (``ranges.json``) were measured on real photographs of each
class of compression and size by ``benchmarks/forensic_ranges.py``. Views help a person to judge; they never enter the
score.
"""

from unmask.explain.views.ranges import Reference
from unmask.explain.views.run import comparable, forensic_views
from unmask.explain.views.view import Figure, View

__all__ = ["Figure", "Reference", "View", "comparable", "forensic_views"]
