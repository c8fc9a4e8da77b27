"""``spec.md``: what must be true. Its bullets are the only home of these facts.

Reads: ``spec.md``. Writes: only the status line of its front matter. Never: guesses a missing field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specweave.errors import SpecError, StorageError, did_you_mean, nearest
from specweave.files.atomic import write_text
from specweave.files.documents import Bullet, Document, Section
from specweave.files.store import digest, read_text
from specweave.files.yamlio import parse_yaml
from specweave.increments.criteria import Criterion, parse_criteria
from specweave.metrics.base import fold_name, known_metric

STATUSES = ("planned", "active", "done", "abandoned")
PROBLEM = "ML Problem Definition"
DATA = "Data Requirements"
MODEL = "Model Requirements"
TO_FILL = "(fill in"

# Bullets whose value is one or several criteria, whatever stands in it.
_CRITERIA_KEYS = frozenset(
    fold_name(k)
    for k in ("Success metrics", "Success metric", "Success criteria", "Latency", "Throughput", "Accuracy",
              "Explainability", "Model size", "Size", "Training time", "Calibration error")
)  # fmt: skip


@dataclass(frozen=True)
class Field:
    """One fact of the spec and where it stands."""

    key: str
    value: str
    line: int
    section: str


@dataclass(frozen=True)
class Spec:
    """A parsed ``spec.md``.

    Attributes
    ----------
    path : Path
    id, title, status, created : str
    depends_on : tuple of str
    request : str
        The user's words.
    fields : dict of str to Field
        By folded key.
    criteria : tuple of Criterion
    """

    path: Path
    id: str
    title: str
    status: str
    created: str
    depends_on: tuple[str, ...]
    request: str
    fields: Mapping[str, Field]
    criteria: tuple[Criterion, ...]
    section_lines: Mapping[str, int] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The name of the document in messages."""
        return _short(self.path)

    def find(self, key: str) -> Field | None:
        """Return a filled field, or None where it is missing, ``none`` or still to fill."""
        found = self.fields.get(fold_name(key))
        if (
            found is None
            or found.value.startswith(TO_FILL)
            or fold_name(found.value) in ("", "none", "no", "na")
        ):
            return None
        return found

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the value of a filled field, or `default`."""
        found = self.find(key)
        return found.value if found else default

    def get_list(self, key: str) -> list[str]:
        """Return a comma-separated field as a list; empty where it is not filled."""
        return [part.strip().strip("`") for part in (self.get(key) or "").split(",") if part.strip()]

    def require(self, key: str, example: str = "") -> Field:
        """Return a field that must be there.

        Raises
        ------
        SpecError
            Names the line to fill, or the section where the bullet belongs.
        """
        found = self.find(key)
        if found:
            return found
        written = self.fields.get(fold_name(key))
        example = example or {
            "trainingdata": "examples/churn/telco-churn.csv",
            "target": "Churn",
        }.get(fold_name(key), "...")
        if written:
            raise SpecError(
                f"'{written.key}' is not filled in",
                where=f"{self.where}:{written.line}",
                hint=f"write there, for example: - {written.key}: {example}",
            )
        close = nearest(key, [f.key for f in self.fields.values() if f.section == DATA], 1)
        line = self.section_lines.get(DATA.casefold(), 1)
        also = f" (is '{close[0]}' on line {self.fields[fold_name(close[0])].line} meant?)" if close else ""
        raise SpecError(
            f"there is no bullet '{key}'{also}",
            where=f"{self.where}:{line}",
            hint=f"add under '## {DATA}': - {key}: {example}",
        )

    def at(self, key: str) -> str:
        """Return ``file:line`` of a field, for messages."""
        found = self.fields.get(fold_name(key))
        return f"{self.where}:{found.line}" if found else self.where

    @property
    def problem_type(self) -> str:
        """The value of the "Problem type" bullet."""
        return self.require("Problem type", "Binary classification").value

    def fingerprint(self, keys: tuple[str, ...]) -> str:
        """Return a hash of these fields as they are now."""
        return digest({k: (f.value if (f := self.fields.get(fold_name(k))) else None) for k in keys})


def load_spec(path: Path) -> Spec:
    """Read ``spec.md``.

    Raises
    ------
    StorageError
        If it is missing.
    SpecError
        If a line does not parse; names it.
    """
    try:
        text = read_text(path)
    except StorageError as error:
        if path.exists():
            raise
        raise StorageError(
            "the increment has no spec.md",
            where=path.parent,
            hint="restore it from git, or make a new increment: sw inc",
        ) from error
    return parse_spec(text, path)


def parse_spec(text: str, path: Path) -> Spec:
    """Parse the text of a ``spec.md``; `path` is for messages.

    Raises
    ------
    SpecError
        If a line does not parse.
    """
    document = Document(text, _short(path))
    document.check_no_conflict()
    front = _front(document)
    fields: dict[str, Field] = {}
    criteria: list[Criterion] = []
    sections = document.sections()
    for title in (PROBLEM, DATA, MODEL):
        section = document.find_section(title)
        if section is None:
            raise SpecError(
                f"the section '## {title}' is missing",
                where=f"{document.where}:{len(document.lines) or 1}",
                hint=_section_hint(title, sections),
            )
        for bullet in document.bullets(section):
            if bullet.indent or not bullet.key:
                continue
            item = Field(bullet.key, bullet.value, bullet.line, title)
            _refuse_twice(fields, item, document.where)
            fields[fold_name(bullet.key)] = item
            if _holds_criteria(bullet, title):
                criteria += _criteria_of(bullet, document.where)
    status = str(front.get("status", "planned"))
    if status not in STATUSES:
        raise SpecError(
            f"'{status}' is no status", where=f"{document.where}:{_front_line(document, 'status')}",
            hint=f"write one of: {', '.join(STATUSES)}",
        )  # fmt: skip
    depends = front.get("depends_on") or []
    return Spec(
        path=path,
        id=str(front.get("id", path.parent.name)),
        title=str(front.get("title", path.parent.name)),
        status=status,
        created=str(front.get("created", "")),
        depends_on=tuple(str(d).zfill(4) for d in (depends if isinstance(depends, list) else [depends])),
        request=_request(document),
        fields=fields,
        criteria=tuple(criteria),
        section_lines={s.title.casefold(): s.line for s in sections},
    )


def _front(document: Document) -> dict[str, Any]:
    found = document.front_matter()
    if found is None:
        return {}
    values = parse_yaml(found[0], where=document.where, first_line=found[1]) or {}
    if not isinstance(values, dict):
        raise SpecError(
            "the front matter is not a mapping", where=f"{document.where}:2", hint="write lines 'key: value'"
        )
    return values


def _front_line(document: Document, key: str) -> int:
    return next((n for n, line in enumerate(document.lines, 1) if line.startswith(f"{key}:")), 1)


def _refuse_twice(fields: Mapping[str, Field], item: Field, where: str) -> None:
    first = fields.get(fold_name(item.key))
    if first and first.section == item.section:
        raise SpecError(
            f"'{item.key}' stands twice (first on line {first.line})",
            where=f"{where}:{item.line}",
            hint="keep one of the two bullets",
        )


def _holds_criteria(bullet: Bullet, section: str) -> bool:
    if bullet.value.startswith(TO_FILL) or section == DATA:
        return False
    if fold_name(bullet.key) in _CRITERIA_KEYS:
        return True
    return section == MODEL and (
        bool(re.match(r"\s*(?:[<>≤≥]=?|==?)", bullet.value)) or known_metric(bullet.key.partition("@")[0])
    )


def _criteria_of(bullet: Bullet, where: str) -> list[Criterion]:
    key = "" if fold_name(bullet.key).startswith("success") else bullet.key
    value = bullet.text.partition(":")[2].strip()
    return parse_criteria(value, key=key, where=where, line=bullet.line)


def _request(document: Document) -> str:
    section = document.find_section("Request")
    if section is None:
        return ""
    lines = [line.strip().lstrip("> ").rstrip() for line in document.lines[section.line : section.end - 1]]
    return " ".join(line for line in lines if line)


def _section_hint(title: str, sections: list[Section]) -> str:
    close = nearest(title, [s.title for s in sections if s.title not in (PROBLEM, DATA, MODEL)], 1)
    if close:
        line = next(s.line for s in sections if s.title == close[0])
        return f"is line {line}, '{close[0]}', meant? Write '## {title}'"
    return f"add a line '## {title}' with its bullets"


def _short(path: Path) -> str:
    """Return ``0042-name/spec.md``: enough to find it, without the machine's folders."""
    return f"{path.parent.name}/{path.name}" if path.parent.name else path.name


def read_status(path: Path) -> str:
    """Return the status of a spec without parsing the rest; ``planned`` where it cannot be read."""
    try:
        with path.open(encoding="utf-8") as stream:
            for _, line in zip(range(20), stream, strict=False):
                if line.startswith("status:"):
                    return line.partition(":")[2].strip()
    except (OSError, UnicodeDecodeError):
        return "planned"
    return "planned"


def set_status(path: Path, status: str) -> None:
    """Set the status in the front matter; every other byte stays."""
    if status not in STATUSES:
        raise SpecError(f"'{status}' is no status", hint=did_you_mean(status, STATUSES))
    document = Document(read_text(path), _short(path))
    changed = document.with_front_value("status", status)
    if changed.text != document.text:
        write_text(path, changed.text)
