"""The predictor: a model and all it takes to answer raw rows, loaded from a folder.

Reads: an inference package (``package.json`` and the files it names). Writes: nothing. Never: unpickles a
model whose hash is not the recorded one, answers rows that lack a column the model needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pandas as pd

from specweave.engines.threads import limit_threads
from specweave.errors import CorruptFileError, DataError
from specweave.experiments.version_files import unpickle
from specweave.files.store import load_record, plain, sha256_file
from specweave.problems.base import Problem, problem_for
from specweave.records import Finding
from specweave.tables.schema import check_rows, coerce, load_schema

KIND = "inference-package"
SCHEMA = 1
PACKAGE = "package.json"
MODEL, ROWS_SCHEMA, BACKGROUND = "model.pkl", "schema.yaml", "background.parquet"
# The measured model's recipe fitted to all rows, where the problem type serves that.
CURRENT = "current.pkl"

Rows = pd.DataFrame | Sequence[Mapping[str, Any]] | Mapping[str, Any]


class PackageShape(TypedDict):
    """``package.json``."""

    version: str
    problem: str
    algorithm: str
    experiment: str
    columns: list[str]
    identifiers: list[str]
    decision: dict[str, Any]
    model_sha256: str
    reasons: int
    seed: int
    metrics: dict[str, dict[str, Any]]
    roles: dict[str, Any]
    scripts: dict[str, str]
    current_sha256: NotRequired[str]


def load_package(folder: Path) -> dict[str, Any]:
    """Read what a package says of itself.

    Raises
    ------
    StorageError
        If it is missing or is not what T-008 writes; names the key.
    """
    remedy = "sw do --task T-008 --force"
    return load_record(folder / PACKAGE, KIND, SCHEMA, shape=PackageShape, remedy=remedy)


@dataclass
class Predictor:
    """A loaded inference package.

    Attributes
    ----------
    package : dict
        What ``package.json`` holds: version, problem, decision, columns, number of reasons.
    schema : dict
        What rows must look like.
    problem : Problem
    model : object
        Held to one thread: a row answered alone is quicker so, and a service runs many at once.
    background : DataFrame
        Training rows that stand for "not known" in explanations.

    Examples
    --------
    >>> predictor = Predictor.load(Path("deploy"))  # doctest: +SKIP
    >>> predictor.predict([{"tenure": 2, "Contract": "Month-to-month"}])  # doctest: +SKIP
    """

    package: dict[str, Any]
    schema: dict[str, Any]
    problem: Problem
    model: Any
    background: pd.DataFrame

    @classmethod
    def load(cls, folder: Path | str, *, trust: bool = False) -> Predictor:
        """Load a package and prepare its explanations.

        Parameters
        ----------
        folder : Path
            The folder that holds ``package.json``, such as ``deploy``.
        trust : bool
            Load the model although its hash is not the recorded one. A pickle can run any code.

        Raises
        ------
        StorageError
            If a file is missing.
        CorruptFileError
            If the model is not the one that was packaged.
        """
        folder = Path(folder)
        package = load_package(folder)
        served = package.get("current_sha256")
        path = folder / (CURRENT if served else MODEL)
        if not trust and sha256_file(path) != (served or package["model_sha256"]):
            raise CorruptFileError(
                "the model is not the one that was packaged (its sha256 differs)",
                where=path.name,
                hint="make the package again with: sw do --task T-008 --force; "
                "only if you know who changed it, load it with trust=True",
            )
        model = unpickle(path)
        limit_threads(model, 1)
        predictor = cls(
            package=package,
            schema=load_schema(folder / ROWS_SCHEMA),
            problem=problem_for(package["problem"], where=PACKAGE),
            model=model,
            background=pd.read_parquet(folder / BACKGROUND),
        )
        predictor._warm_up()
        return predictor

    @property
    def version(self) -> str:
        """The model's version, ``0042-v3``."""
        return str(self.package["version"])

    @property
    def columns(self) -> list[str]:
        """The raw columns that a row carries."""
        return list(self.package["columns"])

    def rows_of(self, table: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that a table of the training data's form stands for: itself, or one per unit where
        the problem type makes its rows from events (customers from their transactions).

        Raises
        ------
        DataError
            If no rows can be made of it.
        """
        return self.problem.rows_of(self.model, table)

    def rows_asked(self, rows: Sequence[Mapping[str, Any]]) -> tuple[Rows, list[dict[str, Any]]]:
        """Return the rows that a request stands for, and for each the names that its answer needs to be told
        apart: none where rows are answered one by one, the unit's keys where events were sent.

        Raises
        ------
        DataError
            As :meth:`rows_of`.
        """
        if not self.problem.example_events(self.model) or not rows:
            return list(rows), [{} for _ in rows]
        table = pd.DataFrame(list(rows))
        made = self.rows_of(table)
        if made is table:
            return list(rows), [{} for _ in rows]
        keys = [name for name in self.package["identifiers"] if name in made.columns]
        named = made[keys].astype(str)
        return made, [dict(zip(keys, row, strict=True)) for row in named.itertuples(index=False)]

    def check(self, rows: Rows) -> list[Finding]:
        """Return where rows depart from the schema; errors are what `predict` refuses."""
        return check_rows(self.schema, rows)

    def predict(self, rows: Rows, *, reasons: bool = True, strict: bool = True) -> list[dict[str, Any]]:
        """Answer raw rows.

        Parameters
        ----------
        rows : DataFrame, list of mappings, or one mapping
            The columns of the training data; the target may be missing, other columns are ignored.
        reasons : bool
            Whether each answer carries its strongest reasons.
        strict : bool
            Refuse rows with cells that cannot be read as their column's type; else they count as missing.

        Returns
        -------
        list of dict
            One answer per row, in order: prediction, probability or interval, decision, ``reasons``
            (``feature``, ``value``, ``contribution``) and ``reasons_for``, what a positive one speaks for.

        Raises
        ------
        DataError
            If a column is missing or, when `strict`, a cell cannot be read. Names column and row.
        """
        frame = self.to_frame(rows, strict=strict)
        return self.answer(self.model, frame, reasons=reasons) if len(frame) else []

    def forecast(
        self, history: pd.DataFrame, horizon: int | None = None, *, reasons: bool = True
    ) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        """Answer the steps that come after a history.

        Parameters
        ----------
        history : DataFrame
            Rows as in training, the target included; rows with an empty target at the end carry what is
            known ahead.
        horizon : int, optional
            Steps; the model's own by default.

        Returns
        -------
        rows : DataFrame
            The steps that were answered, as requests carry them.
        answers : list of dict

        Raises
        ------
        DataError
            If the model answers rows and knows no horizon, or the history cannot be used.
        """
        model, rows = self.problem.continue_from(self.model, history, horizon)
        return rows, self.answer(model, rows, reasons=reasons)

    def answer(self, model: Any, rows: pd.DataFrame, *, reasons: bool = True) -> list[dict[str, Any]]:
        """Answer rows in the schema's types by `model`: this one, or one that was brought up to date."""
        answers = self.problem.respond(model, rows, self.package["decision"])
        if reasons and self.package["reasons"]:
            told = self.problem.reasons(
                model, rows, self.background, top=int(self.package["reasons"]), seed=int(self.package["seed"])
            )
            for one, entry in zip(answers, told, strict=True):
                one |= entry
        return [plain(one) for one in answers]

    def to_frame(self, rows: Rows, *, strict: bool = True) -> pd.DataFrame:
        """Return rows as the model takes them: schema's columns, order and types.

        Raises
        ------
        DataError
            As `predict`.
        """
        if not isinstance(rows, pd.DataFrame) and len(rows) == 0:
            return pd.DataFrame(columns=self.columns)
        if strict:
            refused = [f for f in self.check(rows) if f.severity == "error"]
            if refused:
                raise DataError("; ".join(_refusal(f) for f in refused[:5]), hint=refused[0].advice)
        frame = coerce(rows, self.schema)
        return frame[[c for c in frame.columns if c != self.schema.get("target")]]

    def _warm_up(self) -> None:
        """Answer one row, so that the first request does not pay for imports and preparations."""
        self.predict(self.background.head(1), strict=False)


def _refusal(finding: Finding) -> str:
    return f"{finding.where}: {finding.message}" if finding.code != "SW221" else finding.message


def flat_answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer as the cells of one table row: ``probability:Yes``, ``interval:low``, ``reason_1``."""
    cells: dict[str, Any] = {}
    for name, value in answer.items():
        if name == "reasons":
            cells |= {f"reason_{i}": _reason_words(reason) for i, reason in enumerate(value, 1)}
        elif name in ("reasons_for", "reasons_unit"):
            continue
        elif isinstance(value, Mapping):
            stem = "probability" if name == "probabilities" else name
            cells |= {f"{stem}:{key}": part for key, part in value.items()}
        elif isinstance(value, list):
            cells[name] = " | ".join(map(str, value))
        else:
            cells[name] = value
    return cells


def _reason_words(reason: Mapping[str, Any]) -> str:
    shown = "missing" if reason["value"] is None else reason["value"]
    return f"{reason['feature']} = {shown} ({reason['contribution']:+.3g})"
