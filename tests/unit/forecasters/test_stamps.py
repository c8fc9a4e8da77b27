"""How a time column is written; models carry it, so it must load from where it once stood."""

from __future__ import annotations

import pickle

import pandas as pd

from specweave.forecasters.stamps import Stamps


def test_stamps_saved_while_their_class_stood_with_the_long_table_still_read() -> None:
    old = pickle.dumps(Stamps("%d.%m.%Y"), protocol=0).replace(
        b"cspecweave.forecasters.stamps\n", b"cspecweave.forecasters.long_table\n"
    )
    assert b"cspecweave.forecasters.long_table\nStamps" in old
    loaded = pickle.loads(old)
    assert loaded == Stamps("%d.%m.%Y")
    assert (
        loaded.read(pd.Series(["31.12.2024"])).tolist()
        == Stamps("%Y-%m-%d").read(pd.Series(["2024-12-31"])).tolist()
    )
