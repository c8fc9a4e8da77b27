"""Any frame in, finite numbers out, the same columns for rows never seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from specweave.errors import DataError
from specweave.tables.features import definitions, from_definitions
from specweave.tables.kinds import infer_kinds
from specweave.tables.profile import make_profile
from specweave.tables.quality import check_quality
from specweave.tables.schema import check_rows, coerce, make_schema
from specweave.tables.transformer import TableFeatures

_CELLS: dict[str, st.SearchStrategy[Any]] = {
    "real": st.floats(allow_nan=True, allow_infinity=True),
    "whole": st.integers(-(2**40), 2**40),
    "truth": st.sampled_from(["Yes", "No", None]),
    "level": st.sampled_from(["a", "b", "c [x]", "None", "", None]),
    "date": st.sampled_from(["2020-01-31", "2021-02-28", "1999-12-31", None, "never"]),
    "text": st.text(max_size=15),
    "mixed": st.one_of(st.none(), st.integers(0, 5), st.floats(), st.text(max_size=4), st.booleans()),
    "clock": st.datetimes(min_value=pd.Timestamp("1700-01-01"), max_value=pd.Timestamp("2200-01-01")),
}
_KINDS = ["numeric", "boolean", "category", "text", "datetime", "identifier"]


@st.composite
def frames(draw: st.DrawFn) -> pd.DataFrame:
    rows = draw(st.integers(2, 30))
    columns = {}
    for at in range(draw(st.integers(1, 5))):
        cells = _CELLS[draw(st.sampled_from(sorted(_CELLS)))]
        values = draw(st.lists(cells, min_size=rows, max_size=rows))
        columns[f"c{at}"] = pd.Series(values) if draw(st.booleans()) else pd.Series(values, dtype=object)
    return pd.DataFrame(columns)


@settings(max_examples=100, deadline=None)
@given(frames(), frames(), st.sampled_from(["classification", "regression"]), st.data())
def test_features_are_finite_and_keep_their_columns(
    frame: pd.DataFrame, other: pd.DataFrame, task: str, data: st.DataObject
) -> None:
    kinds: dict[str, Any] = dict(infer_kinds(frame))
    if data.draw(st.booleans(), "declare kinds at random"):
        kinds = {name: data.draw(st.sampled_from(_KINDS)) for name in frame}
    y = np.arange(len(frame)) % 2
    features = TableFeatures(kinds, task=task, max_onehot=3)
    try:
        trained = features.fit_transform(frame, y)
    except DataError as error:
        if "no column is left" not in error.what:
            raise
        return
    assert np.isfinite(trained.to_numpy()).all()
    assert len(set(trained.columns)) == trained.shape[1]
    later = other.reindex(columns=frame.columns)
    seen = features.transform(later)
    assert np.isfinite(seen.to_numpy()).all()
    assert seen.columns.tolist() == trained.columns.tolist()
    assert set(features.origins_.values()) <= set(frame.columns)
    assert set(features.dropped_) | set(features.origins_.values()) == set(frame.columns)
    again = from_definitions(definitions(features)).fit(frame, y)
    pd.testing.assert_frame_equal(again.transform(later), seen)


@settings(max_examples=60, deadline=None)
@given(frames(), st.data())
def test_training_rows_meet_their_own_schema_and_coerce_to_the_same_features(
    frame: pd.DataFrame, data: st.DataObject
) -> None:
    kinds = infer_kinds(frame)
    schema = make_schema(frame, kinds)
    assert [f for f in check_rows(schema, frame) if f.severity != "info" and f.code != "SW223"] == []
    clean = coerce(frame, schema)
    assert clean.columns.tolist() == frame.columns.tolist()
    assert infer_kinds(clean).keys() == kinds.keys()
    try:
        features = TableFeatures(kinds).fit(frame)
    except DataError:
        return
    pd.testing.assert_frame_equal(features.transform(clean), features.transform(frame))


@settings(max_examples=60, deadline=None)
@given(frames(), st.booleans())
def test_any_table_can_be_profiled_and_judged(frame: pd.DataFrame, with_target: bool) -> None:
    target = "c0" if with_target else None
    profile = make_profile(frame, infer_kinds(frame, target=target), target=target)
    assert profile["rows"] == len(frame)
    assert all(finding.message and finding.advice for finding in check_quality(profile))
