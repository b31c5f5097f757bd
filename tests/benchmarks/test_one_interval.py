"""No metric has two intervals: every value with its interval on the rendered pages is compared with every other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, takewhile
from pathlib import Path

import pytest

import render
from unmask.bundle.bundle import Bundle
from unmask.stats.registry import METRICS

_VALUE = re.compile(r"([+-]?\d+\.\d+)( %)? \(([+-]?\d+\.\d+)(?:–| to )([+-]?\d+\.\d+)\)")
_TOTAL = re.compile(r"\b(\d[\d,]*)\*{0,2} (?:test |validation )?(?:images|pictures)\b")
_BLOCK = re.compile(r"<!-- results:(?P<name>\S+) -->\n(?P<body>.*?)<!-- /results -->", re.S)
# Not the bundle that a network started from, which the card names as well.
_BUNDLE = re.compile(r"(?<!, )bundle(?: sha256)? `?([0-9a-f]{12})|, bundle ([0-9a-f]{12}): `", re.I)
_ALIASES = {
    "accuracy_outside_band": r"outside the (?:uncertain )?band",
    "uncertain_rate": r"uncertain predictions|(?:are|flagged) (?:as )?uncertain",
    "balanced_accuracy": r"balanced accuracy",
    "accuracy": r"(?<!balanced )\baccuracy\b",
    "recall_fake": r"fakes (?:called fake|found|fake)|of the fakes|recall of fake|of the fake images",
    "specificity": r"reals? (?:images )?(?:are )?called real|recall of real|of the real images|specificity",
    "auc_within": r"AUC within",
    "auc": r"\bAUC\b",
    "face_found": r"face (?:was )?found",
    "flips": r"\bflip",
    "drop": r"\bdrop",
    "ece": r"calibration error",
    "brier": r"Brier",
}
"""How each metric is called, more special names first; any other one by its whole label."""
_END = re.compile(r"(?<=[\w%)*])[.:] (?=[A-Z\d*])")
"""Where a sentence ends."""
_EVERYTHING = {"images", "pictures", "value", "clean", "all", "real", "fake", ""}


@dataclass(frozen=True)
class Value:
    """A value with its interval as it stands on a page.

    Attributes:
        where: page and block.
        subject: the bundle that it is of, or the block's name.
        metric: a name, or a label in lower case; '' where the words do not tell.
        parts: the part of the images, '' for all; in prose, all parts that the sentence names.
        total: images of the block so far as it was said last; ``None`` where it was not.
        n: images that the value is of, where a table says it.
        figures: value and interval in thousandths.
    """

    where: str
    subject: str
    metric: str
    parts: frozenset[str]
    total: int | None
    n: int | None
    figures: tuple[int, int, int]


def _figures(match: re.Match[str]) -> tuple[int, int, int]:
    scale = 10 if match[2] else 1000
    value, low, high = (round(scale * float(match[at])) for at in (1, 3, 4))
    return value, low, high


def _metric(words: str) -> str:
    """The metric that some words name: the last one of them, for it stands next to its value."""
    titles = {name: re.escape(metric.title) for name, metric in METRICS.items()} | _ALIASES
    found = [(match.end(), -len(match[0]), name) for name, pattern in titles.items()
             for match in re.finditer(pattern, words, re.I)]  # fmt: skip
    return max(found, default=(0, 0, ""))[2]


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\", "").strip("*") for cell in line.strip().strip("|").split(" | ")]


def _of_table(lines: list[str], where: str, subject: str, total: int | None) -> Iterator[Value]:
    header, rows = _cells(lines[0]), [_cells(line) for line in lines[2:]]
    by_metric = header[0] in ("metric", "figure")  # metrics are rows, and columns are parts
    for row in rows:
        names = list(takewhile(lambda cell: not re.match(r"[-+–]?\d|–|$", cell), row[1:]))
        label = " ".join([re.sub(r" \(.*\)$", "", row[0]), *names])
        for at, cell in enumerate(row[1:], 1):
            match = _VALUE.match(cell)
            if match is None:
                continue
            metric, part = (row[0], header[at]) if by_metric else (header[at], label)
            beside = row[at + 1] if at + 1 < len(row) and header[at + 1] == "n" else ""
            counted = {"recall_fake": "fake", "specificity": "real"}.get(_metric(metric), "n")
            n = beside or (row[header.index(counted)] if not by_metric and counted in header else "")
            count = int(n.replace(",", "")) if n.replace(",", "").isdigit() else None
            name = _metric(metric) or metric.lower()
            yield Value(where, subject, name, frozenset([_part(part)]), total, count, _figures(match))


def _of_prose(line: str, where: str, subject: str, total: int | None) -> Iterator[Value]:
    for match in _VALUE.finditer(line):
        start = max((end.end() for end in _END.finditer(line, 0, match.start())), default=0)
        end = _END.search(line, match.end())
        sentence = line[start : end.start() if end else len(line)]
        before = re.split(r"; |\)[,;] ", line[start : match.start()])[-1]
        after = re.split(r"[.;,(]", line[match.end() :])[0]
        # "83.5 % (80.5–86.1) of the fakes are found", but "accuracy 89.9 % (88.5–91.3)".
        metric = _metric(after) if re.match(r" (?:of|are)\b", after) and _metric(after) else _metric(before)
        words = frozenset(_part(word) for word in re.findall(r"[\w.-]+[\w]", sentence.replace("\\", "")))
        yield Value(where, subject, metric, words, total, None, _figures(match))


def _part(label: str) -> str:
    name = re.sub(r" \(.*\)$", "", label).lower()
    return "" if name in _EVERYTHING else name


def values(text: str, where: str, subject: str) -> Iterator[Value]:
    """Every value with an interval in a piece of Markdown; of prose, ``parts`` are all of a sentence's words."""
    total: int | None = None
    table: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            table.append(line)
            continue
        if len(table) > 2:
            yield from _of_table(table, where, subject, total)
        table = []
        if line.startswith("###") and not re.fullmatch("[0-9a-f]{12}", subject):  # a study of several detectors
            subject = line
        if (told := _TOTAL.search(line)) is not None:
            total = int(told[1].replace(",", ""))
        yield from _of_prose(line, where, subject, total)


def of_page(text: str, page: str) -> Iterator[Value]:
    """The values of a page's rendered blocks; of the model card, which is rendered as a whole, all."""
    card = page.endswith("model-card.md")
    blocks = [("model card", text)] if card else [(match["name"], match["body"]) for match in _BLOCK.finditer(text)]
    for name, body in blocks:
        bundle = _BUNDLE.search(body)
        yield from values(body, f"{page} ({name})", (bundle[1] or bundle[2]) if bundle else name.partition("#")[0])


def contradictions(found: list[Value]) -> list[str]:
    """Pairs that give the same value of the same metric two intervals."""
    known = frozenset(part for value in found if len(value.parts) == 1 for part in value.parts)
    named = [replace(value, parts=value.parts & (known - {""}) or frozenset([""])) for value in found]
    return [
        f"{one.metric or 'a value'} {one.figures} in {one.where}, {other.figures} in {other.where}"
        for one, other in combinations(named, 2)
        if one.figures[0] == other.figures[0] and one.figures != other.figures
        if one.subject == other.subject and one.parts & other.parts
        if one.metric == other.metric or "" in (one.metric, other.metric)
        if one.total == other.total or None in (one.total, other.total)
        if one.n == other.n or None in (one.n, other.n)
    ]


def _pages() -> list[Value]:
    root = Path(render.__file__).resolve().parent.parent
    return [
        value
        for path in (root / "README.md", *sorted((root / "docs").rglob("*.md")))
        for value in of_page(path.read_text(encoding="utf-8"), path.relative_to(root).as_posix())
    ]


def test_no_metric_has_two_intervals() -> None:
    assert not contradictions(_pages())


def _block(body: str, bundle: str = "0123456789ab") -> str:
    return f"<!-- results:x -->\n{body}\n\n<sub>bundle {bundle}: `x`</sub>\n<!-- /results -->\n"


_TABLE = """**AUC 0.9** on 1,950 images.

| metric | images | n | whole groups | n |
| --- | --- | --- | --- | --- |
| recall of fake | 0.835 (0.805–0.861) | 828 | 0.850 (0.811–0.864) | 728 |
| AUC | 0.961 (0.951–0.970) | 1950 | 0.965 (0.957–0.973) | 1841 |

| source | real | fake | recall of real | recall of fake | AUC |
| --- | --- | --- | --- | --- | --- |
| dfdc (seen) | 310 | 324 | 90.3 % (86.5–93.1) | 68.8 % (63.3–73.8) | 0.932 (0.913–0.950) |
| lfw (seen) | 116 | 9 | 100.0 % (96.8–100.0) | 83.5 % (55.5–99.1) | – |
| web (seen) | 50 | 9 | 100.0 % (92.9–100.0) | – | – |"""


@pytest.mark.parametrize(
    "planted",
    [
        # In a sentence, its metric after it or before it; on all images, or on a named source.
        "On 1,950 images, 94.7 % (93.3–95.9) of the real images are called real, 83.5 % (80.8–85.8) of the fakes fake.",
        "**AUC 0.961 (0.950–0.969)** on 1,950 images.",
        "Of the 1,950 images, 68.8 % (63.6–73.6) of the fakes from dfdc are found.",
        "Recall of fake is 0.835 (0.806–0.861).",
        # Without a word about what it is.
        "83.5 % (80.8–85.8), as ever.",
        # In another table, by other units and another name.
        "| condition | fakes called fake | face found |\n| --- | --- | --- |\n| clean | 83.5 % (80.8–85.8) | 99.4 % |",
        "| source | real | fake | AUC |\n| --- | --- | --- | --- |\n| dfdc | 310 | 324 | 0.932 (0.914–0.949) |",
        # Of whole groups.
        "| metric | whole groups |\n| --- | --- |\n| AUC | 0.965 (0.957–0.974) |",
    ],
)
def test_a_planted_contradiction_is_found(planted: str) -> None:
    pages = [*of_page(_block(_TABLE), "README.md"), *of_page(_block(planted), "docs/b.md")]
    assert len(contradictions(pages)) == 1


@pytest.mark.parametrize(
    "harmless",
    [
        # The same interval, in other units.
        "**AUC 0.961 (0.951–0.970)**; 83.5 % (80.5–86.1) of the fakes are found.",
        # Another value, another metric, another source.
        "Recall of fake is 83.6 % (80.8–85.8), and 83.5 % (80.8–85.8) of the real images are called real.",
        "| source | real | recall of real |\n| --- | --- | --- |\n| utk | 116 | 100.0 % (96.0–100.0) |",
        # Of other images of which there are as many fakes found; of groups.
        "On 400 images, 83.5 % (77.2–88.4) of the fakes are found.",
        "| metric | whole groups | n |\n| --- | --- | --- |\n| recall of fake | 0.835 (0.800–0.870) | 728 |",
    ],
)
def test_what_differs_is_no_contradiction(harmless: str) -> None:
    pages = [*of_page(_block(_TABLE), "README.md"), *of_page(_block(harmless), "docs/b.md")]
    assert not contradictions(pages)


def test_other_detectors_do_not_contradict() -> None:
    other = _block("**AUC 0.961 (0.950–0.969)** on 1,950 images.", "ba9876543210")
    assert not contradictions([*of_page(_block(_TABLE), "README.md"), *of_page(other, "docs/b.md")])


def test_a_contradiction_planted_in_the_readme_is_found() -> None:
    root = Path(render.__file__).resolve().parent.parent
    readme = (root / "README.md").read_text(encoding="utf-8")
    shipped = Bundle.open().sha256[:12]  # the README shows another network as well, which no other page does
    value = next(each for each in of_page(readme, "README.md") if each.subject == shipped)
    body = next(block["body"] for block in _BLOCK.finditer(readme) if f"bundle {shipped}" in block["body"])
    match = next(iter(_VALUE.finditer(body)))
    planted = readme.replace(match[0], match[0].replace(f"({match[3]}", f"({float(match[3]) + 0.001:.3f}"), 1)
    assert planted != readme and len(_pages()) > 100
    found = [*of_page(planted, "README.md"), *(each for each in _pages() if not each.where.startswith("README"))]
    assert any(value.where in text for text in contradictions(found))


def test_the_card_of_the_shipped_bundle_is_compared_with_its_pages() -> None:
    assert Bundle.open().sha256[:12] in {value.subject for value in _pages() if "model-card" in value.where}
