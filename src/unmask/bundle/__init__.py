"""A trained detector on disk: one ONNX graph with everything needed to run and verify it.

Reading a bundle needs only the base dependencies; ``compose`` joins graphs and needs the ``train`` extra. May import
``imaging`` and the ground floor.
"""
