"""What storing a detector's matrices in 8 bits costs: size, time to load, memory, time per image, and logits.

    python benchmarks/weight_storage.py --bundle accurate --manifest faces.csv --out some.json

Three ways to run the same weights: as they are stored, restored to float32 when the graph is loaded; as a float32 file;
and with products of 8-bit numbers, which ONNX Runtime uses for such a graph by default. Each runs in a
process of its own, on one thread. Times are processor time: the machine may be busy.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from _report import argument_parser, describe_run, write_json
from unmask.bundle.bundle import MODEL, Bundle
from unmask.data.manifest import Manifest
from unmask.detect.detector import Detector
from unmask.imaging.session import session_options

_PACKAGES = ("unmask", "numpy", "onnx", "onnxruntime")
_WAYS = {"stored in 8 bits": False, "float32": False, "products in 8 bits": True}


def main() -> None:
    """Measure and write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--images", type=int, default=100, help="images of the split val, drawn at random")
    parser.add_argument("--smoke", action="store_true", help="mark the result as a trial")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    bundle = Bundle.open(arguments.bundle)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        np.save(home / "pixels.npy", _pixels(bundle, arguments.manifest, arguments.images))
        (home / "small.onnx").write_bytes(bundle.files[MODEL])
        (home / "float32.onnx").write_bytes(_restored(bundle.files[MODEL]))
        found = {name: _measure(home, name) for name in _WAYS}
    base = np.array(found["float32"].pop("logits"))
    for name, result in found.items():
        logits = base if name == "float32" else np.array(result.pop("logits"))
        result |= {"largest_difference": float(np.abs(logits - base).max())}
        result |= {"mean_difference": float(np.abs(logits - base).mean())}
    content = {
        "schema": 1,
        "run": describe_run(_PACKAGES, bundle.sha256, smoke=arguments.smoke),
        "images": len(base),
        "deviation_of_logits": float(base.std()),
        "ways": found,
    }
    write_json(arguments.out, content)


def _pixels(bundle: Bundle, manifest: Path, count: int) -> Any:
    table = Manifest.open(manifest)
    rows = [row for row in table if row.split == "val"]
    chosen = np.sort(np.random.default_rng(0).permutation(len(rows))[:count])
    detector = Detector(bundle)
    return np.stack([detector.prepare(table.resolve(rows[place])).regions[0].pixels for place in chosen])


def _restored(model: bytes) -> bytes:
    """The graph with its matrices in float32."""
    graph = onnx.load_model_from_string(model)
    stored = {tensor.name: tensor for tensor in graph.graph.initializer}
    nodes = []
    for node in graph.graph.node:
        if node.op_type != "DequantizeLinear":
            nodes.append(node)
            continue
        steps, scale = (numpy_helper.to_array(stored[name]) for name in node.input)
        stored[node.input[0]].CopyFrom(numpy_helper.from_array(steps.astype(np.float32) * scale, node.output[0]))
    del graph.graph.node[:]
    graph.graph.node.extend(nodes)
    return bytes(graph.SerializeToString())


def _measure(home: Path, name: str) -> dict[str, Any]:
    """One way in a process of its own."""
    command = [sys.executable, __file__, "--work", str(home), name]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _work(home: Path, name: str) -> None:
    pixels = np.load(home / "pixels.npy")
    file = home / ("float32.onnx" if name == "float32" else "small.onnx")
    options = session_options()
    options.add_session_config_entry("session.disable_quant_qdq", "0" if _WAYS[name] else "1")
    content = file.read_bytes()
    started = time.process_time()
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    loading = time.process_time() - started
    started = time.process_time()
    logits = [float(session.run(["logit"], {"pixels": image[None]})[0][0]) for image in pixels]
    seconds = (time.process_time() - started) / len(pixels)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    result = {
        "bytes": len(content),
        "seconds_to_load": round(loading, 3),
        "seconds_per_image": round(seconds, 4),
        "peak_mib": round(int(peak.split()[1]) / 1024),
        "logits": logits,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--work"]:
        _work(Path(sys.argv[2]), sys.argv[3])
    else:
        main()
