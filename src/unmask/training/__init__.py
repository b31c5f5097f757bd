"""From a recipe and a manifest to a run folder with a bundle in it.

Needs the ``train`` extra. May import everything that stands before it (``data``, ``recipes``, ``models``) and
``unmask.bundle`` to write its result.
"""
