"""Foreign tables in our terms: which column holds what, and which label means fake.

Names of columns count in any case. What else a table calls its columns and labels, the caller says; nothing is guessed,
but an error says what was found and what to type.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from unmask.data.rows import LABELS
from unmask.data.tables import Row, Table
from unmask.errors import ManifestError, UsageError
from unmask.text import quote

# Only ever part of a suggestion: the user decides.
_LIKELY_COLUMNS: Final[Mapping[str, frozenset[str]]] = {
    ours: frozenset(theirs.split())
    for ours, theirs in (
        ("path", "file filename file_name filepath file_path image image_path image_name img img_path name"),
        ("url", "link image_url href uri"),
        ("label", "y class target category is_fake fake ground_truth truth gt labels label_str class_name"),
        ("fake_probability", "score scores probability prob p p_fake fake_prob fake_score prediction pred y_score"),
    )
}
_LIKELY_FAKE: Final = re.compile(
    r"fake|manipulat|forge|synth|generat|swap|spoof|tamper|altered|\bai\b|\bgan\b|^(1|true|yes)$", re.ASCII
)
_MOST_SHOWN: Final = 8
_MOST_ROWS: Final = 100_000
_WHOLE_NUMBER: Final = re.compile(r"[0-9]+\.0+")


@dataclass(frozen=True)
class Translation:
    """What a table calls our columns and labels.

    Attributes:
        columns: the table's name of each of our columns that has another name there.
        fake: further labels that mean fake, in any case; of class folders their names.
        real: further labels that mean real. If it is empty and ``fake`` is not, the one other label of a table means
            real.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    fake: frozenset[str] = frozenset()
    real: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, columns: Mapping[str, str] | None = None, fake: Iterable[str] = (), real: Iterable[str] = ()
    ) -> Translation:
        """With labels in the form in which they are compared.

        Raises:
            UsageError: ``bad_call``, a label means both classes.
        """
        fakes, reals = frozenset(map(plain_label, fake)), frozenset(map(plain_label, real))
        if both := sorted(fakes & reals):
            raise UsageError("bad_call", f"The label {quote(both[0])} cannot mean both real and fake.")
        return cls(dict(columns or {}), fakes, reals)

    def rename(self, name: str, columns: Sequence[str], standard: Sequence[str]) -> tuple[str, ...]:
        """A table's column names in our terms.

        A column that another one replaces is kept as ``original_`` and its name.

        Args:
            name: the table's, for messages.
            columns: as in the table.
            standard: our names.

        Raises:
            UsageError: ``unknown_column``: the table lacks a column that was named.
            ManifestError: ``bad_row``: a column would occur twice.
        """
        renamed = list(columns)
        for ours, theirs in self.columns.items():
            if theirs not in columns:
                text = f"{name}: there is no column {quote(theirs)}; it has {listed(columns)}"
                raise UsageError("unknown_column", text)
            at = columns.index(theirs)
            if ours in renamed and renamed.index(ours) != at:
                renamed[renamed.index(ours)] = f"original_{ours}"
            renamed[at] = ours
        for ours in standard:
            alike = [at for at, column in enumerate(renamed) if column.strip().lower() == ours]
            if ours not in renamed and len(alike) == 1:
                renamed[alike[0]] = ours
        if twice := [column for column, count in Counter(renamed).items() if count > 1]:
            raise ManifestError("bad_row", f"{name}: the column {quote(twice[0])} occurs twice")
        return tuple(renamed)

    def labels(self) -> Labels:
        """The meaning of labels, for one pass over a table."""
        return Labels(self)


class Labels:
    """The meaning of a table's labels during one pass."""

    def __init__(self, translation: Translation) -> None:
        self._meaning = {
            **{label: label for label in LABELS},
            **dict.fromkeys(translation.fake, "fake"),
            **dict.fromkeys(translation.real, "real"),
        }
        self._rest_is_real = bool(translation.fake) and not translation.real

    def __getitem__(self, cell: str) -> str | None:
        """``real``, ``fake``, or ``None`` for a label without a meaning."""
        found = self._meaning.get(cell)
        if found is None:
            label = plain_label(cell)
            found = self._meaning.get(label)
            if found is None and label and self._rest_is_real:
                self._rest_is_real = False
                found = self._meaning[label] = "real"
        return found


def plain_label(cell: str) -> str:
    """A label as it is compared: in lower case, without blanks around it, and a whole number without its decimals."""
    label = cell.strip().lower()
    return label.partition(".")[0] if _WHOLE_NUMBER.fullmatch(label) else label


@dataclass(frozen=True)
class Renamed:
    """A table under our column names."""

    table: Table
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.table.name

    def rows(self) -> Iterator[Row]:
        """The table's rows."""
        return self.table.rows()


def renamed(table: Table, translation: Translation, standard: Sequence[str]) -> Table:
    """A table with its columns in our terms; errors as for :meth:`Translation.rename`."""
    columns = translation.rename(table.name, table.columns, standard)
    return table if columns == table.columns else Renamed(table, columns)


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first eight of them."""
    shown = ", ".join(quote(name) for name in names[:_MOST_SHOWN])
    return f"{shown} and {len(names) - _MOST_SHOWN:,} more" if len(names) > _MOST_SHOWN else shown or "none"


def columns_found(columns: Sequence[str], needed: Sequence[str]) -> str:
    """What a table has instead of the columns that it needs, and the option that names them.

    Args:
        columns: the table's.
        needed: our names of the columns that are needed; those that it has are passed over.
    """
    pairs = []
    for ours in needed:
        if ours not in columns:
            likely = [column for column in columns if column.strip().lower() in _LIKELY_COLUMNS.get(ours, ())]
            pairs.append(f"{ours}={likely[0] if likely else 'NAME'}")
    return f"its first row names the columns {listed(columns)}; say which to read: --columns {_typed(','.join(pairs))}"


def labels_found(table: Table) -> str:
    """Which labels the first rows of a table have, and the options that give them a meaning; '' if unknown."""
    at = table.columns.index("label")
    found: Counter[str] = Counter()
    try:
        for line, cells in table.rows():
            if len(cells) == len(table.columns):
                found[plain_label(cells[at])] += 1
            if line > _MOST_ROWS or len(found) > _MOST_ROWS:
                break
    except ManifestError:
        pass
    foreign = sorted(label for label in found if label and label not in LABELS)
    if not foreign:
        return ""
    text = f"the column label holds {listed(sorted(found))}; "
    if len(foreign) > _MOST_SHOWN:
        return f"{text}--columns label=NAME reads another column"
    return text + options_for(foreign)


def options_for(labels: Sequence[str], *, folders: bool = False) -> str:
    """The options that give foreign labels a meaning, as a suggestion; of folders each must be named."""
    fakes = [label for label in labels if _LIKELY_FAKE.search(label)]
    reals = [label for label in labels if label not in fakes]
    if not fakes or not reals:
        return "--fake-label and --real-label say which labels mean fake and which real"
    real = "" if len(reals) == 1 and not folders else f" --real-label {_typed(','.join(reals))}"
    which = f"{listed(fakes)} {'means' if len(fakes) == 1 else 'mean'} fake"
    return f"if {which}, add --fake-label {_typed(','.join(fakes))}{real}"


def _typed(text: str) -> str:
    """A word for a command line, in quotation marks where a shell needs them."""
    return text if re.fullmatch(r"[\w.,=:/+-]+", text, re.ASCII) else quote(text)
