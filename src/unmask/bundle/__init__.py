"""A trained detector on disk: one ONNX graph with all that is needed to use it and to check it.

Reading a bundle needs only the base dependencies; ``unmask.bundle.export`` writes one and needs the ``train`` extra.
May import ``unmask.imaging`` and ``unmask.errors`` (and ``export`` also ``recipes`` and ``models``).
"""
