"""Baseline of ``serve_load.py``: the shipped network behind Flask and torch, as such detectors are often served.

    python benchmarks/peer_flask_torch.py --port 5000

The networks are the shipped ones (see ``peer_torch_timm.py``) with random weights, because only time is compared.
It does less than ``unmask serve``: it detects no face, makes no evidence map, checks nothing and stores nothing.
Flask's own server starts a thread per connection.
"""

from __future__ import annotations

import argparse
import io

import torch
from flask import Flask, request
from PIL import Image

from peer_torch_timm import TO_TENSOR, SumNetwork

app = Flask(__name__)
model = SumNetwork().eval()


@app.post("/predict")
def predict() -> dict[str, object]:
    """The verdict on the image in the field ``image``."""
    pixels = TO_TENSOR(Image.open(io.BytesIO(request.files["image"].read())).convert("RGB"))
    with torch.inference_mode():
        fake_probability = float(torch.sigmoid(model(pixels[None]))[0])
    return {"result": "FAKE" if fake_probability >= 0.5 else "REAL", "fake_probability": fake_probability}


@app.get("/health")
def health() -> dict[str, str]:
    """Health check."""
    return {"status": "ok"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--port", type=int, required=True)
    # Keep-alive, as every server in front of a model has it.
    from werkzeug.serving import WSGIRequestHandler

    WSGIRequestHandler.protocol_version = "HTTP/1.1"
    app.run("127.0.0.1", parser.parse_args().port, threaded=True)
