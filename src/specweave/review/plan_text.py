"""One value inside the YAML block of a plan changed, or added, and no other byte.

Reads: the text of a plan. Writes: text; the caller saves. Never: renders the block anew (comments, quotes,
order and line endings of a person stay).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from specweave.errors import SpecError
from specweave.files.documents import Document
from specweave.files.yamlio import parse_yaml

_BARE = re.compile(r"\d+[a-z]+|[A-Za-z_][\w./@%>=-]*(?: [\w./@%>=-]+)*")
_BY_HAND = "make this change by hand, then run: sw do"


def change_plan_text(text: str, path: Sequence[str], value: Any, *, how: str = "set", where: str) -> str:
    """Return the text of a ``plan.md`` with one value set in, or appended to, its YAML block.

    Parameters
    ----------
    path : sequence of str
        Keys from the top of the block; an item of a list by its ``name``. What is missing is added.
    how : {"set", "append"}
        ``append`` adds `value` to the list at `path`.
    where : str
        The document, for messages.

    Raises
    ------
    SpecError
        If the block is written in a way (aliases, block text) that cannot be changed in one place.
    """
    document = Document(text, where)
    fence = (document.fences("yaml") + document.fences("yml"))[0]
    start = sum(len(line) for line in document.lines[: fence.open_line])
    at = f"{where}:{fence.first_line}"
    body = fence.body
    changed = _edit(body, list(path), value, how, document.newline, at)
    before, after = (parse_yaml(b, where=where, first_line=fence.first_line) for b in (body, changed))
    if after != expected_config(before or {}, path, value, how):
        raise SpecError(
            f"'{'.'.join(path)}' cannot be changed without touching other settings", where=at, hint=_BY_HAND
        )
    return text[:start] + changed + text[start + len(body) :]


def expected_config(config: Any, path: Sequence[str], value: Any, how: str = "set") -> Any:
    """Return a copy of a plan's settings with one value set or appended; an item of a list by its ``name``."""
    made = _unshared(config)
    node = made
    for i, part in enumerate(path):
        last = i == len(path) - 1
        if isinstance(node, list):
            named = next((x for x in node if isinstance(x, dict) and x.get("name") == part), None)
            if named is None:
                # A list of names: a thing that is not in it yet joins it.
                node.append(part)
                return made
            node = named
        elif last and how == "set":
            node[part] = value
        elif last:
            node[part] = [*(node.get(part) or []), value]
        else:
            if not isinstance(node.get(part), dict | list):
                node[part] = {}
            node = node[part]
    return made


def _unshared(value: Any) -> Any:
    """Return a copy in which an alias is a value of its own, so that a change in one place shows in one place."""
    if isinstance(value, dict):
        return {k: _unshared(v) for k, v in value.items()}
    return [_unshared(v) for v in value] if isinstance(value, list) else value


def _edit(body: str, path: list[str], value: Any, how: str, newline: str, at: str) -> str:
    root = YAML(typ="rt", pure=True).compose(body)
    if not isinstance(root, MappingNode):
        return body + _lines(path, [value] if how == "append" else value, 0, newline)
    parent: Node = root
    for depth, part in enumerate(path):
        found = _child(parent, part)
        if found is None:
            rest = path[depth:]
            return _add(body, parent, rest, [value] if how == "append" else value, newline, at)
        key, node = found
        if _is_null(body, node) and (depth < len(path) - 1 or node.start_mark.index == node.end_mark.index):
            inner = [value] if how == "append" else value
            for name in reversed(path[depth + 1 :]):
                inner = {name: inner}
            return _fill(body, key, node, inner)
        parent = node
    if how == "append":
        return _append(body, parent, value, newline, at)
    return _replace(body, parent, value, at)


def _child(parent: Node, part: str) -> tuple[Node | None, Node] | None:
    if isinstance(parent, MappingNode):
        return next(((k, v) for k, v in parent.value if k.value == part), None)
    if isinstance(parent, SequenceNode):
        for item in parent.value:
            if isinstance(item, MappingNode):
                named = next((v.value for k, v in item.value if k.value == "name"), None)
                if named == part:
                    return None, item
    return None


def _is_null(body: str, node: Node) -> bool:
    return isinstance(node, ScalarNode) and body[node.start_mark.index : node.end_mark.index] in (
        "", "~", "null", "none",
    )  # fmt: skip


def _fill(body: str, key: Node | None, node: Node, value: Any) -> str:
    """Give a key that stands without a value its value."""
    if node.start_mark.index < node.end_mark.index or key is None:
        return body[: node.start_mark.index] + render_inline(value) + body[node.end_mark.index :]
    colon = body.index(":", key.end_mark.index) + 1
    return f"{body[:colon]} {render_inline(value)}{body[colon:]}"


def _replace(body: str, node: Node, value: Any, at: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    block = (
        node.style in ("|", ">") if isinstance(node, ScalarNode) else not getattr(node, "flow_style", False)
    )
    if block:
        raise SpecError("a block of several lines is not replaced", where=at, hint=_BY_HAND)
    return body[:start] + render_inline(value) + body[end:]


def _add(body: str, parent: Node, rest: list[str], value: Any, newline: str, at: str) -> str:
    """Add a key that is missing below `parent`."""
    if isinstance(parent, SequenceNode):
        scalars = all(isinstance(item, ScalarNode) for item in parent.value)
        if len(rest) == 1 and scalars:
            return _append(body, parent, rest[0], newline, at)
        raise SpecError(f"the list has no item called '{rest[0]}'", where=at, hint=_BY_HAND)
    if not isinstance(parent, MappingNode):
        raise SpecError(f"'{rest[0]}' has no place in a single value", where=at, hint=_BY_HAND)
    if parent.flow_style:
        inner = value
        for name in reversed(rest[1:]):
            inner = {name: inner}
        return _into_flow(body, parent, f"{render_inline(rest[0])}: {render_inline(inner)}")
    column = parent.value[0][0].start_mark.column
    return _insert_line(body, _last_index(parent), _lines(rest, value, column, newline), newline)


def _append(body: str, node: Node, value: Any, newline: str, at: str) -> str:
    if not isinstance(node, SequenceNode):
        raise SpecError("this is no list to add to", where=at, hint=_BY_HAND)
    if node.flow_style:
        return _into_flow(body, node, render_inline(value))
    column = node.start_mark.column
    if isinstance(value, dict):
        entries = [f"{render_inline(k)}: {render_inline(v)}" for k, v in value.items()]
        told = f"{newline}{' ' * (column + 2)}".join(entries)
    else:
        told = render_inline(value)
    return _insert_line(body, _last_index(node), f"{' ' * column}- {told}{newline}", newline)


def _into_flow(body: str, node: Any, told: str) -> str:
    if not node.value:
        place = node.start_mark.index + 1
        return body[:place] + told + body[place:]
    last = node.value[-1]
    place = (last[1] if isinstance(last, tuple) else last).end_mark.index
    return f"{body[:place]}, {told}{body[place:]}"


def _last_index(node: Any) -> int:
    """Return where the last thing inside a block ends; its own mark lies behind later comments."""
    if isinstance(node, ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    if isinstance(last, tuple):
        return max(int(last[0].end_mark.index), _last_index(last[1]))
    return _last_index(last)


def _insert_line(body: str, index: int, told: str, newline: str) -> str:
    # A block scalar ends behind its newline, everything else before it.
    end = index if index and body[index - 1] == "\n" else body.find("\n", index) + 1
    if end == 0:
        return body + newline + told
    return body[:end] + told + body[end:]


def _lines(path: list[str], value: Any, column: int, newline: str) -> str:
    lines = [f"{' ' * (column + 2 * i)}{render_inline(part)}:" for i, part in enumerate(path)]
    lines[-1] += f" {render_inline(value)}"
    return newline.join(lines) + newline


def render_inline(value: Any) -> str:
    """Return a plain value as YAML on one line.

    Examples
    --------
    >>> render_inline({"low": 1, "kind": ["a", "no"], "why": "SW104: no influence"})
    '{low: 1, kind: [a, "no"], why: "SW104: no influence"}'
    """
    if isinstance(value, dict):
        return "{" + ", ".join(f"{render_inline(k)}: {render_inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(render_inline(v) for v in value) + "]"
    if isinstance(value, str):
        bare = _BARE.fullmatch(value) and parse_yaml(value, where="value") == value
        # YAML 1.1 readers take these for truth values.
        if bare and value.casefold() not in ("yes", "no", "on", "off", "y", "n"):
            return value
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
