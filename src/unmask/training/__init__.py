"""From a recipe and a manifest to a run folder with a bundle in it.

Needs the ``train`` extra. May import everything before it in its strand (``data``, ``recipes``, ``models``), and
``unmask.bundle`` to write its result.
"""
