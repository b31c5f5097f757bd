"""Trainings without a source and a generator: what each lacks, its threshold, and how the figures are shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import left_out
import render
from unmask.data.manifest import Manifest
from unmask.data.rows import ManifestRow
from unmask.evaluation.scores import Scores


def row(path: str, split: str, source: str, generator: str = "camera", group: str = "") -> ManifestRow:
    label = "real" if generator == "camera" else "fake"
    return ManifestRow(path=path, label=label, source=source, generator=generator, group=group or path, split=split)


def scores(images: list[tuple[float, str, str]]) -> Scores:
    """Images of a probability, a source and a generator."""
    columns = ("path", "label", "source", "generator", "fake_probability")
    rows = [
        (at, (f"{at}.png", "real" if generator == "camera" else "fake", source, generator, repr(probability)))
        for at, (probability, source, generator) in enumerate(images)
    ]
    return Scores.from_rows(columns, rows, "small.csv")


def test_what_is_left_out_is_tested_and_nothing_grouped_with_it_is_trained_on() -> None:
    rows = [
        row("a", "train", "press"),
        row("b", "val", "press"),
        row("c", "test", "press"),
        row("d", "train", "web"),
        row("e", "train", "web", group="film"),
        row("f", "val", "films", "gan", group="film"),  # takes e along
        row("g", "train", "films", "gan"),
        row("h", "train", "films", "diffusion"),
        row("i", "test", "films", "gan"),
        row("j", "val", "web"),
    ]
    made = left_out.without(Manifest.from_rows(rows, Path()), "press", "gan")
    assert {row.path: row.split for row in made} == {
        "a": "test", "b": "test", "f": "test", "g": "test", "d": "train", "h": "train", "j": "val",
    }  # fmt: skip
    only_source = left_out.without(Manifest.from_rows(rows, Path()), "press", "")
    assert {row.path for row in only_source if row.split == "test"} == {"a", "b"}
    assert {row.path for row in only_source if row.split == "train"} == {"d", "e", "g", "h"}


def test_each_fold_lacks_another_source_and_generator() -> None:
    generators = [generator for generator in left_out.FOLDS.values() if generator]
    assert len(set(generators)) == len(generators)


@pytest.mark.parametrize("count", [1, 24, 25, 50, 100])
def test_the_threshold_keeps_the_share_of_real_images(count: int) -> None:
    probabilities = np.random.default_rng(count).permutation(np.linspace(0.1, 0.8, count))
    known = scores([(float(value), "press", "camera") for value in probabilities] + [(0.05, "films", "gan")])
    threshold = left_out.threshold_of(known)
    kept = (probabilities < threshold).mean()
    assert kept >= 0.96
    # With the next higher image called fake as well, it would be less.
    assert kept - 1 / count < 0.96


def test_what_was_seen_is_the_mean_over_runs_that_saw_it() -> None:
    first = scores([(0.1, "press", "camera"), (0.6, "press", "camera"), (0.9, "films", "gan")])
    second = scores([(0.2, "press", "camera"), (0.3, "web", "camera"), (0.25, "films", "gan")])
    third = scores([(0.2, "web", "camera"), (0.9, "films", "diffusion")])
    seen = [first, second, third]  # at a threshold of 0.5
    assert left_out._seen(seen, "source", "press") == {"kept": pytest.approx((0.5 + 1) / 2)}
    found = left_out._seen(seen, "generator", "gan")
    assert found == {"found": pytest.approx((1 + 0) / 2), "auc": pytest.approx((1 + 0.5) / 2)}


def test_held_out_figures_are_of_what_the_run_lacked() -> None:
    known = scores([(0.1, "press", "camera"), (0.4, "press", "camera"), (0.95, "films", "gan")])
    lacked = scores(
        [(0.2, "web", "camera"), (0.7, "web", "camera"), (0.3, "art", "diffusion"), (0.9, "art", "diffusion")]
    )
    source, generator = left_out._held_out("web", "diffusion", known, lacked)
    assert (source["value"], source["kept"]["value"], source["kept"]["n"]) == ("web", 0.5, 2)
    assert (generator["value"], generator["found"]["value"], generator["found"]["n"]) == ("diffusion", 0.5, 2)
    assert generator["auc"]["value"] == 0.75  # 0.3 and 0.9 against 0.1 and 0.4
    assert generator["auc_against_left_out"]["value"] == 0.75  # against 0.2 and 0.7


def test_the_table_names_mean_and_worst() -> None:
    def share(value: float) -> dict[str, Any]:
        return {"value": value, "low": value - 0.1, "high": value + 0.1, "n": 50}

    result = {
        "run": {
            "command": "python benchmarks/left_out.py", "date": "2026-01-02", "smoke": False, "bundle_sha256": "",
            "python": "3.11", "packages": {}, "cpu": "Some CPU", "cores": 2,
        },
        "recipe": {"name": "small", "digest": "0" * 64, "changed": ["schedule.epochs=2"]},
        "kept": 0.96,
        "validation_auc": [0.91, 0.93],
        "held_out": [
            {"column": "source", "value": "press", "kept": share(0.5), "seen": {"kept": 0.97}},
            {"column": "source", "value": "web", "kept": share(0.8), "seen": {"kept": 0.98}},
            {
                "column": "generator", "value": "gan", "found": share(0.4), "auc": share(0.712),
                "auc_against_left_out": share(0.623), "seen": {"found": 0.9, "auc": 0.987},
            },
        ],
    }  # fmt: skip
    said = render.render("left-out", result)
    for figure in (
        "mean 65.0 %, worst 50.0 % (press)", "mean 0.712, worst 0.712 (gan)", "0.910 to 0.930", "`schedule.epochs=2`",
        "| press | 50 | 50.0 % (40.0–60.0) | 97.0 % |",
        "| gan | 50 | 0.712 (0.612–0.812) | 0.987 | 40.0 % (30.0–50.0) | 90.0 % | 0.623 (0.523–0.723) |",
    ):  # fmt: skip
        assert figure in said
    short = render.render("left-out#summary", result)
    assert "worst 50.0 % (press)" in short and "| press |" not in short
