"""Self-contained HTML pages in one house style: they open offline, print, and follow light and dark.

May import ``errors``, ``imaging`` and ``data``'s manifest.
"""
