"""The documents' figures come from the committed results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import render

_RUN = {
    "command": "python benchmarks/x.py --out x.json",
    "date": "2026-01-02",
    "smoke": False,
    "bundle_sha256": "0123456789abcdef",
    "python": "3.11",
    "packages": {"unmask": "0.1.0"},
    "cpu": "Some CPU",
    "cores": 2,
}


def _figure(value: float, n: int = 100) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "count": round(value * n), "n": n}


def _tool(seconds: float, memory: float) -> dict[str, Any]:
    return {
        "runs": 9,
        "median_s": seconds,
        "min_s": seconds / 2,
        "max_s": seconds * 2,
        "peak_rss_mib": memory,
        "pictures_per_s": 1 / seconds,
    }


def _finder(share: float) -> dict[str, Any]:
    return {
        "all": _figure(share),
        "by_label": {"real": _figure(share)},
        "by_source": {"lfw": _figure(share)},
        "median_ms": 9.5,
        "mean_ms": 12.5,
        "face_free": {"pictures": 22, "pictures_with_faces": 1, "faces": 2, "where": {"coffee.png": 2}},
    }


_PAIR = {"pictures": 500, "unmask": _tool(0.5, 150), "peer": _tool(4.5, 900), "ratio": {"unmask": 9.0}}
_THREE = {**_PAIR, "fast": _tool(0.3, 100), "ratio": {"unmask": 9.0, "fast": 15.0}}
_RESULTS: dict[str, dict[str, Any]] = {
    "speed": {
        "run": _RUN,
        "peer": "torch",
        "pictures": "JPEG",
        "cold": _PAIR,
        "help": _tool(0.08, 17),
        "folder": _THREE,
        "large": _THREE,
    },
    "face-finder": {"run": _RUN, "finders": {"plain": _finder(0.6), "shipped": _finder(0.98)}},
}


def _document(names: list[str]) -> str:
    blocks = "\n".join(f"<!-- results:{name} -->\nold\n<!-- /results -->\n" for name in names)
    return f"# Title\n\n{blocks}\nThe end.\n"


def test_committed_documents_show_the_committed_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not any("<!-- results:" in path.read_text(encoding="utf-8") for path in render.documents()):
        pytest.skip("no document has a results block")
    if not any((Path(render.__file__).parent / "results").glob("*.json")):
        pytest.skip("there are no results")
    monkeypatch.setattr(sys, "argv", ["render.py", "--check"])
    assert render.main() == 0, capsys.readouterr()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "speed",
            [
                "0.50 s**, median of 9 (baseline: 4.50 s, 9.0 times as long)",
                "| 150 MiB, 6.0 × | 100 MiB, 9.0 × | 900 MiB |",
                "| 2.0 images/s, 9.0 × | 3.3 images/s, 15.0 × |",
            ],
        ),
        ("face-finder", ["in 98.0 % (97.0–99.0) of 100 images", "| lfw | 100 | 60.0 % (59.0–61.0) | 98.0 %"]),
    ],
)
def test_render_holds_the_figures(name: str, expected: list[str]) -> None:
    text = render.render(name, _RESULTS[name])
    for part in [*expected, "bundle 0123456789ab: `python benchmarks/x.py"]:
        assert part in text


def test_command_writes_then_checks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = tmp_path / "benchmarks" / "results"
    results.mkdir(parents=True)
    for name, result in _RESULTS.items():
        (results / f"{name}.json").write_text(json.dumps(result))
    (tmp_path / "docs").mkdir()
    readme, page = tmp_path / "README.md", tmp_path / "docs" / "figures.md"
    readme.write_text(_document(["speed"]))
    page.write_text(_document(["face-finder"]))

    def run(*options: str) -> int:
        monkeypatch.setattr(sys, "argv", ["render.py", "--root", str(tmp_path), *options])
        return render.main()

    assert run("--check") == 1
    assert "old" in readme.read_text()
    assert run() == 0
    assert run("--check") == 0
    assert "median of 9" in readme.read_text() and "\nold\n" not in readme.read_text() + page.read_text()
    assert page.read_text().startswith("# Title\n") and page.read_text().endswith("\nThe end.\n")
    (results / "speed.json").unlink()
    assert run("--check") == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # a name that nothing renders
        (_document(["nothing"]), "unknown results:nothing"),
        # an opening mark without its end
        ("<!-- results:speed -->\n", "not closed"),
        # the end of another block must not be taken for its own
        ("<!-- results:speed -->\n<!-- results:speed -->\n<!-- /results -->", "not closed"),
    ],
)
def test_bad_blocks_are_refused(text: str, message: str) -> None:
    with pytest.raises(render.RenderError, match=message):
        render.replace_blocks(text, lambda name: _RESULTS["speed"])


def test_trial_runs_are_rejected() -> None:
    with pytest.raises(render.RenderError, match="trial run"):
        render.render("speed", _RESULTS["speed"] | {"run": _RUN | {"smoke": True}})
