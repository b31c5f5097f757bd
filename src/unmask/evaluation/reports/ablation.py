"""The report of ``unmask ablate``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from unmask.evaluation.reports.sentences import difference, three_digits
from unmask.evaluation.reports.write import Report, command_line
from unmask.evaluation.results.ablation import Ablation, Effect


def write_report(result: Ablation, folder: Path) -> None:
    """Write ``ablation.json``, ``ablation.html`` and ``ablation.md``; each appears whole or not at all.

    Raises:
        UsageError: ``cannot_write``.
    """
    report(result).write(folder, "ablation")


def report(result: Ablation) -> Report:
    """The page and the Markdown."""
    content = {
        "sentences": list(sentences(result)),
        "verdict": lambda found: "established" if found.established else "not established",
        "p_value": lambda found: "–" if found.p_holm is None else f"{found.p_holm:.4f}",
        "command": command_line(result.run),
    }
    return Report(result, "ablation", content)


def sentences(result: Ablation) -> Iterator[str]:
    """What to read first."""
    trivial = result.baseline
    yield (
        f"{result.n:,} test images ({result.n_real:,} real, {result.n_fake:,} fake) in {result.groups:,} groups, "
        f"{len(result.seeds)} random seeds. The whole recipe has AUC {three_digits(result.whole.auc.value)} and "
        f"balanced accuracy {three_digits(result.whole.balanced_accuracy.value)}; always predicting “{trivial.answer}” "
        f"has accuracy {three_digits(trivial.accuracy)} and balanced accuracy "
        f"{three_digits(trivial.balanced_accuracy)}."
    )
    yield _established("AUC", [(each.title, each.effect.auc) for each in result.variants])
    yield _established("balanced accuracy", [(each.title, each.effect.balanced_accuracy) for each in result.variants])
    for each in result.not_applicable:
        yield f"Not run {each.title}: {each.why}."


def _established(metric: str, effects: list[tuple[str, Effect]]) -> str:
    parts = [f"{title} {difference(found)}" for title, found in effects if found.established]
    return f"Established in {metric}: {'; '.join(parts) if parts else 'no difference'}."
