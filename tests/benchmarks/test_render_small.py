"""Speed by stage, and smaller detectors, as the documents show them."""

from __future__ import annotations

from typing import Any

import _render_small as small


def _stage(ms: float, limit: float | None) -> dict[str, Any]:
    return {"ms": ms, "limit_ms": limit}


def _stages() -> dict[str, Any]:
    names = ("read", "hash", "marks", "walk", "decode", "find", "crop", "evidence", "calibrate", "write")
    stages = {name: _stage(0.123, None) for name in names}
    stages |= {"network": _stage(8.0, 6.4), "decode": _stage(2.0, 1.5), "crop": _stage(12.3456, 0.001)}
    size = {
        "all_ms": 16.0,
        "stages": stages,
        "decode_at": {"1": 1.5, "2": 1.0},
        "network_int8_limit_ms": 1.25,
    }
    return {
        "rates": {"float32_gmacs": 62.4, "int8_gmacs": 370.0, "copy_gb": 31.6},
        "sizes": {"512 x 512": size},
        "cold": {"detect": {"cpu_s": 0.42}, "floor": {"cpu_s": 0.21}, "cpu_ratio": 2.0, "ratio": 1.75},
    }


def test_stages_stand_beside_their_limits() -> None:
    headline, table, limits, cold = small.stages(_stages())
    # 8 of 16 ms, and 8 / 6.4 times the limit.
    assert headline.startswith("**The network takes 50 % of the time of a small image**, 1.25 times")
    lines = table.splitlines()
    assert "| network | 8.00 | 6.40 |" in lines
    assert "| crop | 12.3 | < 0.01 |" in lines
    assert "| calibrate | 0.12 |  |" in lines
    assert lines[-1] == "| `unmask detect`, all | 16.0 |  |"
    assert "1.5 ms at 1/1, 1.0 ms at 1/2" in limits
    assert "2.00 times as much" in cold
    assert "1.75 times by the clock" in cold


def _estimate(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01, "n": 100}


def _quantised() -> dict[str, Any]:
    row = {
        "name": "static",
        "bytes": [2 << 20, 1 << 20],
        "n": 1234,
        "auc": [0.91, 0.9],
        "auc_change": _estimate(-0.01),
        "balanced_accuracy": [0.8, 0.79],
        "drift": {"flips": _estimate(0.05), "opposite": _estimate(0.02), "mean_probability": _estimate(0.03)},
        "speed": [{"batch": 8, "ratio": 2.5}, {"batch": 1, "ratio": 1.8}],
    }
    return {"split": "test", "detectors": [row]}


def test_a_smaller_detector_beside_the_first_one() -> None:
    setup, table = small.quantised(_quantised())
    assert setup.startswith("1,234 images of the split test, read once. Compared with: AUC 0.9100")
    assert "2.0 MiB" in setup
    cells = [cell.strip() for cell in table.splitlines()[2].split("|")[1:-1]]
    assert cells[:3] == ["static", "1.0", "0.9000"]
    assert cells[5].startswith("5.0")
    assert cells[-2:] == ["1.80 ×", "2.50 ×"]


def test_the_curve_of_pruning_has_a_line_for_each_network() -> None:
    network = {
        "kept": 0.5,
        "multiplications": 150e6,
        "parameters": 1.234e6,
        "auc_before": 0.7,
        "auc": 0.88,
        "change": _estimate(-0.02),
    }
    result = _quantised() | {"steps": {"taylor": {"networks": [network, network | {"kept": 0.75}]}}}
    _, _, curve = small.quantised(result)
    first, second = curve.splitlines()[2:]
    assert first.startswith("| taylor | 50 % | 150 | 1.23 | 0.7000 | 0.8800 |")
    assert second.startswith("| taylor | 75 % |")
