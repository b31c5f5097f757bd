"""Why a verdict is what it is, and what else a picture and its file say: evidence, forensic views, provenance.

Nothing here changes a score. May import what stands before it (``detect``, ``bundle``, ``data``, ``imaging``) and
needs the base dependencies only; content credentials need the extra ``provenance``, which is imported when used.
"""
