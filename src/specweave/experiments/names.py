"""How an experiment's name becomes the name of its folder: one rule, said the same way everywhere.

Reads: nothing. Writes: nothing. Never: lets a name leave its folder.
"""

from __future__ import annotations

import re
import unicodedata

from specweave.errors import DataError

NAME_RULE = (
    "letters, digits, '-', '_' and '.' are kept, anything else becomes '-', "
    "and at most 80 characters (200 bytes) remain"
)
FOLDER = re.compile(r"^exp-(\d{3,})-(.+)$")
_NUMBERED = re.compile(r"^exp-(\d{1,9})(?:-(.*))?$", re.IGNORECASE)
_LONGEST = 80
_LONGEST_BYTES = 200


def clean_name(name: object) -> str:
    """Return `name` as a safe slug.

    Raises
    ------
    DataError
        If nothing is left of it; the message repeats the rule.

    Examples
    --------
    >>> clean_name("../../My model: v1.2")
    'My-model-v1.2'
    """
    text = unicodedata.normalize("NFC", str(name))
    text = re.sub(r"[^\w.-]+", "-", text)
    text = re.sub(r"\.{2,}", ".", text)
    text = re.sub(r"-{2,}", "-", text)[:_LONGEST]
    text = text.encode()[:_LONGEST_BYTES].decode(errors="ignore").strip("-._")
    if not text:
        shown = str(name) if len(str(name)) <= 60 else str(name)[:57] + "..."
        raise DataError(
            f"no usable experiment name in {shown!r}: {NAME_RULE}",
            hint="give a name such as 'xgboost-depth-6'",
        )
    return text


def split_name(name: object) -> tuple[int | None, str]:
    """Return the number that a name asks for (``exp-003-xgboost`` asks for 3), if any, and its slug."""
    slug = clean_name(name)
    match = _NUMBERED.match(slug)
    if not match or int(match[1]) == 0:
        return None, slug
    return int(match[1]), clean_name(match[2]) if (match[2] or "").strip("-._") else "run"


def folder_name(number: int, slug: str) -> str:
    """Return the folder of an experiment, ``exp-003-xgboost``."""
    return f"exp-{number:03d}-{slug}"


def file_name(name: object) -> str:
    """Return `name` as a relative path that stays inside the experiment's folder.

    Raises
    ------
    DataError
        If it is empty, absolute, climbs out with ``..`` or holds a control character.
    """
    text = str(name).replace("\\", "/")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    bad = text.startswith("/") or ".." in parts or not parts or any(ord(c) < 32 for c in text)
    if bad or any(len(part.encode()) > _LONGEST_BYTES for part in parts) or re.match(r"^[A-Za-z]:", text):
        raise DataError(
            f"not a usable file name: {text[:80]!r}",
            hint="give a name inside the experiment, such as 'model.pkl' or 'plots/roc.png'",
        )
    return "/".join(parts)
