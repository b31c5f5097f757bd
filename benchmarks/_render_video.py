"""Results on clips as Markdown."""

from __future__ import annotations

from _markdown import Result, area, table


def video_speed(result: Result) -> list[str]:
    """Time of a short clip against decoding alone, and memory of a long one."""
    short, hour, stages = result["short"], result["hour"], result["stages_s"]
    detect, decode = short["detect"], short["decode"]
    headline = (
        f"**A clip of {result['clip'].partition(',')[0]} with {result['frames_judged']} frames judged, in a new "
        f"process: {detect['median_s']:.1f} s**, median of {detect['runs']}, {short['ratio']:.1f} times as long as "
        f"decoding all of its frames with PyAV, also in a new process. Peak memory of command and child on a clip of "
        f"{hour['duration_s'] / 60:.0f} minutes: **{hour['peak_mib']:,.0f} MiB**. The clip: {result['clip']}."
    )
    rows = [
        (name, _range(of), f"{of['processor_s']:.2f} s", f"{of['peak_mib']:,.0f} MiB")
        for name, of in (("`unmask detect`", detect), ("decoding alone", decode))
    ]
    rows.append(
        (
            f"`unmask detect`, {hour['duration_s'] / 60:.0f} minutes, {hour['frames']:,} frames",
            f"{hour['seconds']:.1f} s",
            f"{hour['processor_s']:.2f} s",
            f"{hour['peak_mib']:,.0f} MiB",
        )
    )
    parts = ", ".join(
        f"{name} {stages[key]:.2f} s"
        for key, name in (("read", "reading the frames"), ("faces", "finding faces"), ("network", "the network"))
    )
    return [
        headline,
        table(("what", "time", "CPU time", "peak memory"), rows),
        f"In one process, one stage after the other: {parts}. The command does them at once.",
    ]


_CODES = {
    "read": "read",
    "truncated": "refused as incomplete",
    "corrupt": "refused as damaged",
    "no_video": "refused, no moving image in it",
    "unsupported_format": "refused, of another kind",
    "too_complex": "refused, too many streams",
    "too_many_frames": "refused, too many frames",
    "too_many_pixels": "refused, too many pixels",
    "side_too_long": "refused, frames too large",
    "too_small": "refused, frames too small",
    "too_long": "refused, too long",
    "out_of_memory": "stopped by the limit on memory",
    "stopped": "stopped by the limit on time",
    "crashed": "crashed the child",
    "escaped": "ended the child with an error of its own",
}


def video_hostile(result: Result) -> list[str]:
    """What came of clips that were made to harm their reader."""
    special, cut, mutated = result["special"], result["cut"], result["mutations"]
    unanswered = sum(part["outcomes"].get(code, 0) for part in (cut, mutated) for code in ("crashed", "escaped"))
    ended = "none crashed its reader" if not unanswered else f"{unanswered:,} crashed the child that read them"
    headline = (
        f"**{mutated['files']:,} damaged copies of {len(result['sound'])} sound clips: {ended}.** The costliest took "
        f"{mutated['cpu_s']['largest']:.2f} s of CPU time and {mutated['peak_mib']:,.0f} MiB in all. Each was read in "
        "a child process of its own; one that crashes is an error of that file alone."
    )
    kinds = [code for code in _CODES if any(code in part["outcomes"] for part in (cut, mutated))]
    rows = [
        (_CODES[code], f"{mutated['outcomes'].get(code, 0):,}", f"{cut['outcomes'].get(code, 0):,}") for code in kinds
    ]
    cases = [
        (name, _CODES[case["outcome"]], f"{case['cpu_s']:.2f} s", f"{case['peak_mib']:,.0f} MiB")
        for name, case in special.items()
    ]
    return [
        headline,
        table(("outcome", "damaged copies", "cut at each of the first 64 KiB"), rows),
        table(("clip", "outcome", "CPU time", "peak memory"), cases),
    ]


def _range(found: Result) -> str:
    return f"{found['median_s']:.2f} s ({found['min_s']:.2f}–{found['max_s']:.2f} s)"


_METHODS = {
    "mean": "mean of the frames' logits (ships)",
    "top-k-mean": "mean of the highest quarter",
    "noisy-or": "noisy-or",
    "trajectory": "trajectory statistics (ReStraV)",
    "mean and trajectory": "mean and trajectory statistics",
    "gru": "GRU",
    "transformer": "Transformer",
    "gru, no stills": "GRU without still images",
    "gru, no made clips": "GRU without made clips",
}


def video(result: Result) -> list[str]:
    """What turns frames into a verdict: AUC of each method on clips left out, and the logit of each clip."""
    intro = (
        f"{result['clips']} clips, {result['fake']} of them fake, in {result['groups']} groups; each is judged by what "
        f"saw no clip of its group. What is trained also saw those of {result['made']} made clips that are of other "
        f"groups, and {result['stills']} sequences of still images. 95 % intervals over {result['draws']:,} draws of "
        "whole groups; the gain is paired. Pairs: fakes with a higher logit than the real clip of their group."
    )
    methods = [
        (
            _METHODS.get(each["name"], each["name"]),
            area(each["auc"]),
            "" if each["gain"] is None else _gain(each["gain"]),
            f"{result['pairs'][each['name']]['right']} of {result['pairs'][each['name']]['pairs']}",
        )
        for each in result["methods"]
    ]
    names = list(result["table"][0]["logits"])
    clips = [
        (each["path"], each["kind"], *(f"{each['logits'][name]:+.2f}" for name in names)) for each in result["table"]
    ]
    return [
        intro,
        table(("method", "AUC", "gain over the mean", "pairs"), methods),
        "The logit of each clip, towards fake. Thresholds differ between columns; compare within one.",
        table(("clip", "kind", *names), clips),
    ]


def _gain(found: Result) -> str:
    """A difference of two AUCs with its interval."""
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
