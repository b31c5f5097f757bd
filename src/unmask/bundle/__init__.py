"""A trained detector on disk: one ONNX graph with everything needed to run and verify it.

Reading a bundle needs only the base dependencies; ``unmask.bundle.export`` makes graphs and needs the ``train`` extra.
May import ``unmask.imaging`` and ``unmask.errors`` (and ``export`` also ``recipes`` and ``models``).
"""
