"""Markdown of the results of ``abstention.py`` and ``thorough.py``."""

from __future__ import annotations

from _markdown import Result, area, share, table


def abstention(result: Result) -> list[str]:
    """What each rule makes uncertain, and how right verdicts are on small faces."""
    together = result["rules"]["all"]
    paying = [rule["rule"] for rule in together if rule["pays"]]
    named = f": {', '.join(paying)}" if paying else ""
    headline = (
        f"**Rules that make more wrong than right verdicts uncertain: {len(paying)} of {len(together)}**{named}. "
        f"`{result['model']}` on validation images, under all conditions below together; only verdicts outside the "
        "uncertain band count."
    )
    rows = [
        (
            rule["rule"],
            rule["wrong_made_uncertain"],
            rule["right_made_uncertain"],
            rule["wrong_by_a_wider_band"],
            f"{share(rule['right_before'])} → {share(rule['right_after'])}",
        )
        for rule in together
    ]
    header = ("rule", "wrong made uncertain", "right made uncertain", "wrong by a wider band", "verdicts right")
    clean = [
        (rule["rule"], rule["wrong_made_uncertain"], rule["right_made_uncertain"], rule["wrong_by_a_wider_band"])
        for rule in result["rules"]["clean"]
    ]
    conditions = [
        (
            name,
            found["n"],
            share(found["uncertain"]),
            found["no_face"],
            share(found["right_outside_band"]),
            share(found["real_kept"]),
            share(found["fakes_found"]),
        )
        for name, found in result["conditions"].items()
    ]
    return [
        headline,
        table(header, rows),
        "*Wrong by a wider band*: how many wrong verdicts an uncertain band takes that is widened until it makes as "
        "many verdicts uncertain as the rule. The images as they are, alone:",
        table(header[:4], clean),
        "How right the verdicts are:",
        table(
            ("condition", "images", "uncertain", "no face", "right outside the band", "reals kept", "fakes found"),
            conditions,
        ),
    ]


def thorough(result: Result) -> list[str]:
    """Accuracy and time of the default detector, of the accurate one, and of both in turn."""
    names = {"default": "default", "thorough": "`--thorough`", "accurate": "accurate"}
    accurate = result["models"]["accurate"]
    rows = []
    for edition, modes in result["editions"].items():
        for mode, title in names.items():
            found = modes[mode]
            judged = found["verdicts_of"].get(accurate, 0)
            rows.append(
                (
                    edition,
                    title,
                    area(found["auc"]),
                    share(found["real_kept"]),
                    share(found["fakes_found"]),
                    share(found["decided"]),
                    share(found["right_of_decided"]),
                    f"{judged} of {found['n']}",
                    f"{found['mean_ms']:.0f}",
                )
            )
    return [
        f"`{result['models']['default']}`, `{accurate}`, and both in turn on validation images. *Decided*: FAKE or "
        "REAL. Times are of the processor, one image at a time.",
        table(
            (
                "edition",
                "detector",
                "AUC",
                "reals kept",
                "fakes found",
                "decided",
                "right of those",
                "judged by accurate",
                "mean ms",
            ),
            rows,
        ),
    ]
