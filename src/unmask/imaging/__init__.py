"""From the bytes of an image to the pixels a detector sees: safe decoding, the face finder, the one preprocessing.

Stands before every other package, because training, evaluation, the command and the service must all see the same
pixels. May import numpy, Pillow, pydantic, onnxruntime and ``unmask.errors``; nothing else of unmask.
"""
