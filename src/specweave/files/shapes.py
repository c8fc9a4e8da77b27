"""What a record must hold: keys and types, checked before anybody relies on them.

Reads: parsed records. Writes: nothing. Never: refuses a key that it does not know, changes a value.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

import msgspec

from specweave.errors import CorruptFileError

# A number of a record; the texts stand for what JSON cannot hold (see ``files.store.number``).
Number = float | Literal["NaN", "Infinity", "-Infinity"]
MaybeNumber = Number | None


def check_shape(body: Any, shape: Any, where: Path, hint: str) -> None:
    """Refuse a record that lacks a key or holds another type.

    Parameters
    ----------
    body : Any
        The parsed record.
    shape : type
        A ``TypedDict``, or anything that msgspec can convert to; keys beyond it are left alone.
    where : Path
        The file.
    hint : str
        How to mend it.

    Raises
    ------
    CorruptFileError
        Names the file, the key and what was expected.
    """
    try:
        msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        raise CorruptFileError(_in_words(str(error)), where=where, hint=hint) from error


def _in_words(message: str) -> str:
    what, _, place = message.partition(" - at `$")
    place = re.sub(r"\[\.\.\.\]", "", place.rstrip("`").lstrip("."))
    missing = re.match(r"Object missing required field `(.+)`", what)
    if missing:
        return f"'{'.'.join(filter(None, [place, missing[1]]))}' is missing"
    what = what[:1].lower() + what[1:].replace("`", "")
    return f"'{place}': {what}" if place else what
