"""Single entries of a JSON file that a person owns: put in and taken out; every other byte stays.

Reads: text. Writes: text. Never: writes the rest of the file anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from specweave.errors import SpecError

_SPACE = re.compile(r"[ \t\r\n]*")
MISSING = object()


@dataclass(frozen=True)
class _Member:
    """One ``"key": value`` of an object: where the key starts, where the value starts and ends."""

    key: str
    start: int
    value: int
    end: int


def find_entry(text: str, keys: Sequence[str], where: str) -> Any:
    """Return the value under a path of keys, or `MISSING`.

    Raises
    ------
    SpecError
        If the text is no JSON object, or something on the way is none.
    """
    value = _load(text, where)
    for at, key in enumerate(keys):
        if not isinstance(value, dict):
            name = ".".join(keys[:at]) or "the file"
            raise SpecError(
                f"{name} is not an object", where=where, hint=f"make it one: {json.dumps({key: {}})}"
            )
        if key not in value:
            return MISSING
        value = value[key]
    return value


def put_entry(text: str, keys: Sequence[str], value: Any, where: str) -> str:
    """Return `text` with `value` under a path of keys that is not there yet; first in its object."""
    if not text.strip():
        text = "{}\n"
    find_entry(text, keys, where)
    at, depth = _opening(text), 0
    for key in keys:
        inner = next((m for m in _members(text, at) if m.key == key), None)
        if inner is None:
            break
        at, depth = inner.value, depth + 1
    for key in reversed(keys[depth + 1 :]):
        value = {key: value}
    members = _members(text, at)
    outer = _indent_of(text, at)
    step = _indent_of(text, members[0].start)[len(outer) :] if members else "  "
    one_line = bool(members) and "\n" not in text[at : members[0].start]
    shown = json.dumps(value, ensure_ascii=False, indent=None if one_line else 2)
    if one_line:
        return f"{text[: at + 1]}{json.dumps(keys[depth])}: {shown}, {text[at + 1 :].lstrip(' ')}"
    newline = "\r\n" if "\r\n" in text else "\n"
    inner_indent = outer + (step or "  ")
    shown = shown.replace("\n", newline + inner_indent)
    entry = f"{newline}{inner_indent}{json.dumps(keys[depth])}: {shown}"
    return text[: at + 1] + entry + ("," if members else newline + outer) + text[at + 1 :]


def take_entry(text: str, keys: Sequence[str], where: str) -> str:
    """Return `text` without the entry, and without the objects that it leaves empty."""
    while keys and find_entry(text, keys, where) is not MISSING:
        at = _opening(text)
        for key in keys[:-1]:
            at = next(m.value for m in _members(text, at) if m.key == key)
        members = _members(text, at)
        index = next(i for i, m in enumerate(members) if m.key == keys[-1])
        if len(members) == 1:
            closing = text.index("}", members[0].end)
            text = text[: at + 1] + text[closing:]
            keys = keys[:-1]
            continue
        if index == 0:
            comma = text.index(",", members[0].end)
            rest = text[comma + 1 :]
            opened = text[at + 1 : members[0].start]
            return text[: at + 1] + (rest if "\n" in opened else opened + rest.lstrip(" "))
        return text[: members[index - 1].end] + text[members[index].end :]
    return text


def _load(text: str, where: str) -> Any:
    try:
        return json.loads(text) if text.strip() else {}
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise SpecError(
            f"not valid JSON: {getattr(error, 'msg', error)}",
            where=f"{where}:{line}",
            hint="mend it (comments and trailing commas are not JSON), or move it away and run the command again",
        ) from error


def _opening(text: str) -> int:
    return text.index("{")


def _members(text: str, at: int) -> list[_Member]:
    """Return the members of the object that opens at `at`; `text` is known to be valid."""
    decoder = json.JSONDecoder()
    found: list[_Member] = []
    position = _skip(text, at + 1)
    while text[position] != "}":
        key, after = decoder.raw_decode(text, position)
        value = _skip(text, _skip(text, after) + 1)
        _, end = decoder.raw_decode(text, value)
        found.append(_Member(key, position, value, end))
        position = _skip(text, end)
        if text[position] == ",":
            position = _skip(text, position + 1)
    return found


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _indent_of(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]
