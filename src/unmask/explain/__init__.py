"""Why a verdict is what it is, and what else an image and its file say: evidence, forensic views, provenance.

:func:`~unmask.explain.explainer.explain` puts it all together. Nothing here changes a score. May import what stands
before it (``detect``, ``bundle``, ``data``, ``imaging``, ``pages``) and the intervals of ``evaluation``; needs the base
dependencies only. Content credentials need the extra ``provenance``, gradients of a run ``train``: imported when used.
"""
