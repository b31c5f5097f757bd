"""From an image to a verdict with a loaded bundle.

Needs only the base dependencies. May import ``unmask.bundle``, ``unmask.imaging`` and the ground floor (``errors``,
``parallel``, ``pages``).
"""
