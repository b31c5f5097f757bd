"""Write the results in ``benchmarks/results/*.json`` into README.md and docs/*.md.

    python benchmarks/render.py
    python benchmarks/render.py --check     # change nothing; exit 1 when a file would change

Text between ``<!-- results:NAME -->`` and ``<!-- /results -->`` is replaced by Markdown made from
``results/NAME.json``; ``_RENDERERS`` lists the names. ``NAME#PART`` shows a part of a result. docs/model-card.md is
generated completely. Results of shortened trial runs are rejected.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from _markdown import Result, footer, share, table
from _render_browser import browser
from _render_data import audit_shared, crop_cache, near_duplicates
from _render_detect import detect_many
from _render_doubt import abstention, thorough
from _render_evaluation import (
    CARD_RESULTS,
    bench,
    evaluation,
    evaluation_by_source,
    evaluation_headline,
    evaluation_in_short,
    evaluation_speed,
    robustness,
    robustness_tiers,
    shipped_card,
)
from _render_experiments import ablation, calibration, left_out, left_out_summary, logo
from _render_explain import explanations, map_check, ood
from _render_forensics import forensic_localisation, forensic_ranges
from _render_models import classical_heads, contract, feature_cache, papers, training_step
from _render_scan import scan, scan_ray, scan_sizing
from _render_serve import hostile, serve, serve_clips
from _render_small import quantised, stages
from _render_video import video, video_hostile, video_speed
from unmask.errors import UnmaskError

_ROOT = Path(__file__).resolve().parent.parent
_OPENING = re.compile(r"<!-- results:(?P<name>\S+) -->")
_BLOCK = re.compile(r"(?P<opening><!-- results:(?P<name>\S+) -->\n)(?P<body>.*?)(?P<closing><!-- /results -->)", re.S)


class RenderError(Exception):
    """A block that cannot be filled."""


def documents(root: Path = _ROOT) -> list[Path]:
    """README.md and docs/*.md, those that exist."""
    return [path for path in (root / "README.md", *sorted((root / "docs").glob("*.md"))) if path.is_file()]


def replace_blocks(text: str, read: Callable[[str], Result]) -> str:
    """The text with every marked block rendered again.

    Args:
        text: Markdown.
        read: returns the result of a name.

    Raises:
        RenderError: an unknown name, a trial run, or a block that is not closed.
    """

    def fill(match: re.Match[str]) -> str:
        if _OPENING.search(match["body"]):
            raise RenderError(f"the block results:{match['name']} is not closed")
        return f"{match['opening']}{render(match['name'], read(match['name'].partition('#')[0]))}\n{match['closing']}"

    filled, count = _BLOCK.subn(fill, text)
    if count != len(_OPENING.findall(text)):
        raise RenderError("a results block is not closed, or text follows its opening mark")
    return filled


def render(name: str, result: Result) -> str:
    """One result as Markdown.

    Raises:
        RenderError: an unknown name, or a trial run.
    """
    if name not in _RENDERERS:
        raise RenderError(f"unknown results:{name}; choose from {', '.join(_RENDERERS)}")
    if result["run"]["smoke"]:
        raise RenderError(f"the result {name} is of a trial run")
    return "\n\n".join([*_RENDERERS[name](result), footer(result["run"])])


def main() -> int:
    """Write or check the documents; the exit code."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0], epilog="Blocks: <!-- results:NAME --> ... <!-- /results -->"
    )
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when a file would change")
    parser.add_argument("--root", type=Path, default=_ROOT, help="folder of README.md, docs and benchmarks")
    arguments = parser.parse_args()
    try:
        changed = {path: text for path, text in _rendered(arguments.root) if text != path.read_text(encoding="utf-8")}
    except RenderError as error:
        print(f"render: {error}", file=sys.stderr)
        return 1
    for path, text in changed.items():
        print(f"{path.relative_to(arguments.root)} {'would change' if arguments.check else 'written'}")
        if not arguments.check:
            path.write_text(text, encoding="utf-8")
    return 1 if arguments.check and changed else 0


def _rendered(root: Path) -> Iterable[tuple[Path, str]]:
    def read(name: str) -> Result:
        path = root / "benchmarks" / "results" / f"{name}.json"
        try:
            content: Result = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RenderError(f"results:{name}: {path.name} cannot be read ({type(error).__name__})") from None
        return content

    for path in documents(root):
        try:
            yield path, replace_blocks(path.read_text(encoding="utf-8"), read)
        except RenderError as error:
            raise RenderError(f"{path.relative_to(root)}: {error}") from None
    card = root / "docs" / "model-card.md"
    if card.is_file():
        try:
            contents = {name: read(name) for name in CARD_RESULTS}
            if any(content["run"]["smoke"] for content in contents.values()):
                raise RenderError("a result is of a trial run")
            yield card, shipped_card(contents)
        except (RenderError, UnmaskError) as error:
            raise RenderError(f"{card.relative_to(root)}: {error}") from None


def _speed(result: Result) -> list[str]:
    cold, folder, large, help_ = (result[name] for name in ("cold", "folder", "large", "help"))
    headline = (
        f"**One image in a new process: {cold['unmask']['median_s']:.2f} s**, median of {cold['unmask']['runs']} "
        f"(baseline: {cold['peer']['median_s']:.2f} s, {cold['ratio']['unmask']:.1f} times as long). `unmask --help`: "
        f"{help_['median_s']:.2f} s."
    )
    setup = f"Baseline: {result['peer']}. Images: {result['pictures']}."

    def time(figures: Result) -> str:
        return f"{figures['median_s']:.2f} s ({figures['min_s']:.2f}–{figures['max_s']:.2f})"

    def rate(figures: Result) -> str:
        return f"{figures['pictures_per_s']:.1f} images/s"

    def memory(figures: Result) -> str:
        return f"{figures['peak_rss_mib']:,.0f} MiB"

    def line(what: str, part: Result, show: Callable[[Result], str], ratio: Callable[[str], float]) -> tuple[str, ...]:
        ours = [f"{show(part[name])}, {ratio(name):.1f} ×" if name in part else "" for name in ("unmask", "fast")]
        return what, *ours, show(part["peer"])

    def in_time(what: str, part: Result, show: Callable[[Result], str]) -> tuple[str, ...]:
        return line(what, part, show, lambda name: part["ratio"][name])

    def in_memory(what: str, part: Result) -> tuple[str, ...]:
        peer = part["peer"]["peak_rss_mib"]
        return line(f"{what}: peak memory", part, memory, lambda name: peer / part[name]["peak_rss_mib"])

    folder_name, large_name = (f"{part['pictures']:,} images" for part in (folder, large))
    rows = (
        in_time("one image, cold: median (range)", cold, time),
        in_memory("one image", cold),
        in_time(f"{folder_name}: median of {folder['unmask']['runs']}", folder, rate),
        in_memory(folder_name, folder),
        in_time(f"{large_name}: one run", large, rate),
        in_memory(large_name, large),
    )
    return [headline, setup, table(("", "unmask", "unmask --model fast", "baseline"), rows)]


def _face_finder(result: Result) -> list[str]:
    titles = {"plain": "BlazeFace, one view", "shipped": "BlazeFace, shipped cascade", "centerface": "CenterFace"}
    finders: dict[str, Result] = result["finders"]
    shipped = finders["shipped"]
    false_faces = shipped["face_free"]
    headline = (
        f"**The shipped cascade finds a face in {share(shipped['all'])} of {shipped['all']['n']:,} images**, all of "
        f"which show one, in {shipped['median_ms']:.1f} ms (median, one thread). In {false_faces['pictures']} images "
        f"without a face, it finds {false_faces['faces']} false faces."
    )
    sources = [("all", {name: finder["all"] for name, finder in finders.items()})] + [
        (source, {name: finder["by_source"][source] for name, finder in finders.items()})
        for source in shipped["by_source"]
    ]
    rows: list[tuple[Any, ...]] = [
        (source, shares["shipped"]["n"], *(share(shares[name]) for name in finders)) for source, shares in sources
    ]
    rows.append(("ms per image: median", "", *(f"{finder['median_ms']:.1f}" for finder in finders.values())))
    rows.append(("ms per image: mean", "", *(f"{finder['mean_ms']:.1f}" for finder in finders.values())))
    false_row = (f"{finder['face_free']['faces']}" for finder in finders.values())
    rows.append(("false faces, images without a face", false_faces["pictures"], *false_row))
    found = table(("source", "images", *(titles[name] for name in finders)), rows)
    return [
        headline,
        "Proportion of images in which a face is found, with 95 % Wilson intervals in parentheses.",
        found,
    ]


_RENDERERS: dict[str, Callable[[Result], list[str]]] = {
    "browser": browser,
    "speed": _speed,
    "stages": stages,
    "quantised": quantised,
    "quantised-mobilenet": quantised,
    "quantised-detector": quantised,
    "face-finder": _face_finder,
    "audit-shared": audit_shared,
    "near-duplicates": near_duplicates,
    "evaluation": evaluation,
    "evaluation#headline": evaluation_headline,
    "evaluation#by-source": evaluation_by_source,
    "evaluation-edition-2": evaluation,
    "evaluation-edition-2#headline": evaluation_headline,
    "evaluation-edition-2#by-source": evaluation_by_source,
    "evaluation-edition-2#short": evaluation_in_short,
    "evaluation-left-out#headline": evaluation_headline,
    "evaluation-left-out#short": evaluation_in_short,
    "evaluation-accurate#headline": evaluation_headline,
    "evaluation-accurate-edition-2#headline": evaluation_headline,
    "evaluation-accurate-left-out#headline": evaluation_headline,
    "evaluation-accurate-left-out#short": evaluation_in_short,
    "evaluation-speed": evaluation_speed,
    "robustness": robustness,
    "robustness#tiers": robustness_tiers,
    "robustness-edition-2#tiers": robustness_tiers,
    "bench": bench,
    "logo": logo,
    "left-out": left_out,
    "left-out#summary": left_out_summary,
    "calibration": calibration,
    "ablation": ablation,
    "crop-cache": crop_cache,
    "explanations": explanations,
    "map-check": map_check,
    "ood": ood,
    "forensic-ranges": forensic_ranges,
    "forensic-localisation": forensic_localisation,
    "contract": contract,
    "classical-heads": classical_heads,
    "feature-cache": feature_cache,
    "papers": papers,
    "training-step": training_step,
    "serve": serve,
    "serve-clips": serve_clips,
    "hostile": hostile,
    "video": video,
    "video-hostile": video_hostile,
    "video-speed": video_speed,
    "detect-many": detect_many,
    "abstention": abstention,
    "thorough": thorough,
    "scan": scan,
    "scan-ray": scan_ray,
    "scan-ray#sizing": scan_sizing,
}


if __name__ == "__main__":
    sys.exit(main())
