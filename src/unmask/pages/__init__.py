"""Self-contained HTML pages in one house style: they open offline, print, and follow light and dark.

Part of the ground floor: no import of the other packages.
"""
