"""A notebook from a Markdown template, and what of it a person has changed.

Reads: templates of the package, existing notebooks. Writes: notebooks. Never: overwrites a cell that a
person wrote.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from specweave.errors import CorruptFileError
from specweave.files.atomic import write_text
from specweave.files.store import digest, read_text

_WHEN = re.compile(r"^<!-- when: (\w+) -->\n", re.M)
_CODE = re.compile(r"^```python\n(.*?)^```\n", re.M | re.S)
_VALUE = re.compile(r"\{\{ *(\w+) *\}\}")
_MARK = "specweave"


def make_notebook(template: str, values: Mapping[str, str], conditions: Collection[str]) -> Any:
    """Return an unexecuted notebook.

    Parameters
    ----------
    template : str
        Markdown: fenced Python blocks become code cells, the text between them Markdown cells. A line
        ``<!-- when: NAME -->`` holds for the text or block after it, which is left out unless `conditions`
        has NAME.
    values : mapping of str to str
        For ``{{ name }}``.
    conditions : collection of str

    Returns
    -------
    nbformat.NotebookNode
    """
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells: list[Any] = []
    for kind, source in _parts(template, conditions):
        text = _VALUE.sub(lambda match: values[match[1]], source).strip("\n")
        make = new_code_cell if kind == "code" else new_markdown_cell
        cells.append(make(text, id=f"cell-{len(cells) + 1:02d}"))
    notebook = new_notebook(cells=cells)
    notebook.metadata[_MARK] = {"made": sources_digest(notebook)}
    return notebook


def load_template(name: str) -> str:
    """Return the text of a template of this package."""
    return files("specweave").joinpath("templates", "notebooks", f"{name}.md").read_text(encoding="utf-8")


def _parts(template: str, conditions: Collection[str]) -> list[tuple[str, str]]:
    """Return ("code" | "markdown", source) in order, those whose condition does not hold left out."""
    found: list[tuple[str, str]] = []
    at = 0
    for match in _CODE.finditer(template):
        found += _texts(template[at : match.start()])
        found.append(("code", match[1]))
        at = match.end()
    found += _texts(template[at:])
    kept: list[tuple[str, str]] = []
    condition = ""
    for kind, source in found:
        if kind == "when":
            condition = source
        else:
            if not condition or condition in conditions:
                kept.append((kind, source))
            condition = ""
    return kept


def _texts(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    at = 0
    for match in _WHEN.finditer(text):
        found.append(("markdown", text[at : match.start()]))
        found.append(("when", match[1]))
        at = match.end()
    found.append(("markdown", text[at:]))
    return [(kind, source) for kind, source in found if source.strip()]


def sources_digest(notebook: Any) -> str:
    """Return a hash of what the cells say, outputs apart."""
    return digest([[cell.cell_type, str(cell.source).strip()] for cell in notebook.cells])


def load_edited(path: Path) -> Any | None:
    """Return the notebook at `path` if a person changed it since it was made, else None.

    Raises
    ------
    CorruptFileError
        If it is no notebook.
    """
    if not path.exists():
        return None
    import nbformat

    try:
        notebook = nbformat.reads(read_text(path), as_version=4)
    except (ValueError, KeyError, AttributeError, nbformat.ValidationError) as error:
        raise CorruptFileError(
            f"not a notebook: {str(error).splitlines()[0]}",
            where=path,
            hint="restore it from git, or delete it to get a fresh one",
        ) from error
    made = (notebook.metadata.get(_MARK) or {}).get("made")
    return None if made == sources_digest(notebook) else notebook


def save_notebook(path: Path, notebook: Any) -> Path:
    """Write an executed notebook without clocks, versions and paths, so that a rerun gives the same bytes."""
    import nbformat

    return write_text(path, nbformat.writes(cleaned(notebook), version=4).rstrip("\n") + "\n")


def cleaned(notebook: Any) -> Any:
    """Return a copy of an executed notebook with only what belongs into version control."""
    import copy

    made = copy.deepcopy(notebook)
    kept = {_MARK: made.metadata[_MARK]} if _MARK in made.metadata else {}
    made.metadata = type(made.metadata)(
        {
            **kept,
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    made.nbformat, made.nbformat_minor = 4, 5
    taken = {cell.get("id") for cell in made.cells}
    for number, cell in enumerate(made.cells, 1):
        if not cell.get("id"):
            cell["id"] = next(i for i in (f"cell-{number:02d}", f"own-{number:02d}") if i not in taken)
        cell.metadata.pop("execution", None)
        if cell.cell_type == "code":
            # Progress and warnings: they tell of this machine and this minute.
            cell.outputs = _joined([o for o in cell.outputs if o.get("name") != "stderr"])
            for output in cell.outputs:
                output.get("metadata", {}).clear()
    return made


def _joined(outputs: list[Any]) -> list[Any]:
    """Return outputs with neighbouring pieces of one stream as one: how a kernel cuts it is chance."""
    joined: list[Any] = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined
