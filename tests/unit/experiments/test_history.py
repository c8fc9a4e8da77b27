"""Histories as a crash leaves them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from specweave.experiments.history import (
    LineFile,
    last_steps,
    last_values,
    load_history,
    parse_history,
    points_by_metric,
    summarise,
)

GOOD = b'{"step":0,"time":1.5,"values":{"loss":0.5}}\n'


def test_half_a_line_at_the_end_is_set_aside_and_the_rest_is_read() -> None:
    lines, damaged = parse_history(GOOD + b'{"step":1,"time":2.0,"val')
    assert [line.values for line in lines] == [{"loss": 0.5}]
    assert damaged == 1


@pytest.mark.parametrize(
    "bad",
    [
        b"nonsense\n",
        b"\xff\xfe\n",
        b"[1]\n",
        b'{"step":0,"values":{"a":1}}\n',
        b'{"step":0,"time":1,"values":{"a":"high"}}\n',
        b'{"step":0,"time":1,"values":{"a":[1]}}\n',
        b'{"step":"x","time":1,"values":{"a":1}}\n',
    ],
)
def test_a_line_that_is_no_log_call_is_counted_and_left_out(bad: bytes) -> None:
    lines, damaged = parse_history(GOOD + bad + GOOD)
    assert (len(lines), damaged) == (2, 1)


def test_opening_for_more_moves_half_a_line_aside(tmp_path: Path) -> None:
    path, aside = tmp_path / "history.jsonl", tmp_path / "logs" / "damaged.jsonl"
    path.write_bytes(GOOD + b'{"step":1')
    file = LineFile(path, aside)
    file.append(GOOD)
    file.close()
    file.close()
    assert path.read_bytes() == GOOD + GOOD
    assert aside.read_bytes() == b'{"step":1\n'


def test_a_missing_history_is_empty(tmp_path: Path) -> None:
    assert load_history(tmp_path) == ([], 0)


def test_summaries_hold_last_lowest_and_highest_with_their_steps() -> None:
    data = b"".join(
        b'{"step":%d,"time":1,"values":{"loss":%s}}\n' % (step, value)
        for step, value in [(0, b"3"), (1, b"1"), (2, b'"NaN"'), (3, b"2")]
    )
    loss = summarise(parse_history(data)[0])["loss"]
    assert (loss.last, loss.low, loss.low_step, loss.high, loss.high_step, loss.count) == (2, 1, 1, 3, 0, 4)


def test_a_metric_that_was_only_nan_is_still_there() -> None:
    data = b'{"step":null,"time":1,"values":{"a":"NaN"}}\n'
    assert math.isnan(summarise(parse_history(data)[0])["a"].low)


def test_calls_without_a_step_are_counted() -> None:
    data = b'{"step":null,"time":1,"values":{"a":5}}\n' * 3
    lines, _ = parse_history(data)
    assert [p.step for p in points_by_metric(lines)["a"]] == [0, 1, 2]
    assert last_values(lines) == {"a": 5}
    assert last_steps(lines) == {}
    assert last_steps(parse_history(GOOD)[0]) == {"loss": 0}
