"""YAML that people edit: comments and order kept, mistakes shown with their line.

Reads and writes: text and files. Never: constructs Python objects from tags.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from specweave.errors import SpecError
from specweave.files.store import plain, read_text


def parse_yaml(text: str, *, where: object, first_line: int = 1) -> Any:
    """Parse YAML into plain Python values.

    Parameters
    ----------
    text : str
    where : object
        The file, for messages.
    first_line : int
        The line of the file at which `text` begins (a fenced block in Markdown).

    Raises
    ------
    SpecError
        If it is not YAML; names file and line.
    """
    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (mark.line if mark else 0)
        raise SpecError(
            f"not valid YAML: {error.problem or error.context}",
            where=f"{where}:{line}",
            hint="check the indentation, and put quotes around values that hold ': ' or start with a symbol",
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        # ValueError: what looks like a date but is none (2026-02-30).
        raise SpecError(
            f"not valid YAML: {error}", where=f"{where}:{first_line}", hint="put quotes around odd values"
        ) from error


def load_yaml(path: Path) -> Any:
    """Read a YAML file into plain Python values."""
    return parse_yaml(read_text(path), where=path)


def render_yaml(value: Any) -> str:
    """Return block-style YAML with keys in the given order; short lists and small inner mappings stay on one line."""
    from ruamel.yaml.comments import CommentedMap, CommentedSeq
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    def quoted(node: Any) -> Any:
        # The writer leaves these bare inside {} and [], where they read as a complex key.
        return (
            DoubleQuotedScalarString(node) if isinstance(node, str) and node.startswith(("?", ":")) else node
        )

    def styled(node: Any, depth: int = 0) -> Any:
        if isinstance(node, dict):
            mapping = CommentedMap({quoted(k): styled(v, depth + 1) for k, v in node.items()})
            flat = all(not isinstance(v, dict | list) for v in node.values())
            if depth > 1 and flat and sum(len(f"{k}: {v}, ") for k, v in node.items()) <= 60:
                mapping.fa.set_flow_style()
            return mapping
        if isinstance(node, list):
            seq = CommentedSeq([styled(v, depth + 1) for v in node])
            flat = all(not isinstance(v, dict | list) for v in node)
            if flat and sum(len(str(v)) + 2 for v in node) <= 80:
                seq.fa.set_flow_style()
            return seq
        return quoted(node)

    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 110
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(styled(plain(value)), stream)
    return stream.getvalue()
