"""Which column holds users, items, ratings and times: by the columns' names, then by what they hold.

Reads: a frame. Writes: nothing. Never: takes a column whose pairs with the users never repeat for items.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from specweave.recommenders.interactions import parse_ratings
from specweave.tables.kinds import infer_kinds

USER_WORDS = ("user", "customer", "client", "member", "visitor", "session", "account", "viewer", "reader",
              "listener", "buyer", "shopper", "subscriber", "person", "household", "uid", "player", "guest", "reviewer",
              "rater", "kunde", "kunden", "nutzer", "benutzer", "cliente", "usuario", "utilisateur", "klant")  # fmt: skip
ITEM_WORDS = ("item", "product", "movie", "film", "book", "article", "song", "track", "artist", "album", "sku",
              "asin", "isbn", "show", "game", "course", "recipe", "page", "url", "content", "video", "title",
              "stockcode", "joke", "anime", "hotel", "restaurant", "business", "area", "iid", "news", "app", "artikel",
              "produkt", "buch", "producto", "articulo", "pelicula", "libro", "produit", "prodotto", "produto")  # fmt: skip
RATING_WORDS = ("rating", "score", "stars", "weight", "strength", "plays", "playcount", "count", "clicks",
                "quantity", "qty", "listens", "views", "purchases", "vote", "overall", "preference", "bewertung", "sterne",
                "menge", "anzahl", "valoracion", "puntuacion", "voto", "cantidad", "evaluation")  # fmt: skip
TIME_WORDS = ("timestamp", "time", "date", "datetime", "ts", "unixtime", "created", "when", "day", "epoch", "datum",
              "zeit", "fecha", "zeitpunkt")  # fmt: skip
_KEY_ENDINGS = {"id", "ids", "no", "nr", "number", "key", "code", "index", "idx"}


def find_columns(frame: pd.DataFrame, given: Mapping[str, str | None] | None = None) -> dict[str, str | None]:
    """Return ``user``, ``item``, ``rating`` and ``time``: the columns of interactions, None where none fits.

    Parameters
    ----------
    frame : DataFrame, shape (n_interactions, n_columns)
    given : mapping, optional
        What is known already; it is not looked for again.

    Examples
    --------
    >>> find_columns(pd.DataFrame({"userId": [1, 1], "movieId": [7, 8], "rating": [4.0, 5.0]}))
    {'user': 'userId', 'item': 'movieId', 'rating': 'rating', 'time': None}
    """
    found: dict[str, str | None] = {"user": None, "item": None, "rating": None, "time": None}
    found |= {k: v for k, v in (given or {}).items() if v}
    names = [str(c) for c in frame.columns]

    def free() -> list[str]:
        return [n for n in names if n not in found.values()]

    found["user"] = found["user"] or _named(free(), USER_WORDS)
    found["item"] = found["item"] or _named(free(), ITEM_WORDS)
    found["rating"] = found["rating"] or _named([n for n in free() if _rates(frame[n])], RATING_WORDS)
    found["time"] = found["time"] or _named(free(), TIME_WORDS) or _only_dates(frame, free())
    if found["user"] is None or found["item"] is None:
        _by_content(frame, found, free())
    return found


def fits(frame: pd.DataFrame, user: str, item: str) -> tuple[bool, str]:
    """Return whether two columns look like interactions, and why in words."""
    pairs = frame[[user, item]].dropna()
    if pairs.empty:
        return False, "no row has both a user and an item"
    users, items, distinct = pairs[user].nunique(), pairs[item].nunique(), len(pairs.drop_duplicates())
    told = f"{users:,} values of '{user}' meet {items:,} of '{item}' in {distinct:,} pairs"
    repeats = distinct > 1.2 * users and distinct > 1.2 * items
    # A handful of pairs that come again and again are two categories of a table, not users and items.
    return bool(users >= 2 and items >= 2 and repeats and distinct * 20 > len(pairs)), told


def _parts(name: str) -> list[str]:
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return re.findall(r"[a-z0-9]+", unicodedata.normalize("NFKD", spaced.casefold()).replace("\u0301", ""))


def _named(names: Sequence[str], words: Sequence[str]) -> str | None:
    """Return the column whose name is one of the words, alone or with an ending that marks a key."""
    ranked: list[tuple[int, int, str]] = []
    for place, name in enumerate(names):
        parts = _parts(name)
        joined = "".join(parts)
        for rank, word in enumerate(words):
            bare = [p for p in parts if p not in _KEY_ENDINGS]
            exact = joined == word or joined in (word + "id", word + "s") or bare in ([word], [word + "s"])
            if exact:
                ranked.append((rank, place, name))
            elif any(p in (word, word + "s", word + "id") for p in parts):
                ranked.append((rank + 100, place, name))
    return min(ranked)[2] if ranked else None


def _rates(column: pd.Series[Any]) -> bool:
    """Return whether a column holds ratings or amounts, also as text such as ``5 stars``."""
    return bool(np.isfinite(parse_ratings(column.head(1000))).mean() > 0.5)


def _only_dates(frame: pd.DataFrame, names: Sequence[str]) -> str | None:
    """Return the one column of dates, None where there are more."""
    dates = [n for n, k in infer_kinds(frame[list(names)]).items() if k.kind == "datetime"]
    return dates[0] if len(dates) == 1 else None


def _by_content(frame: pd.DataFrame, found: dict[str, str | None], names: Sequence[str]) -> None:
    """Fill in user or item by content: keys (whole numbers or texts) that repeat on both sides."""
    keys = [n for n in names if _is_key(frame[n])]
    if found["user"] is None and found["item"] is None:
        pairs = [(a, b) for i, a in enumerate(keys) for b in keys[i + 1 :] if fits(frame, a, b)[0]]
        if pairs:
            a, b = pairs[0]
            # There are usually more users than items; where there are not, the first column is the user.
            swap = frame[b].nunique() > 2 * frame[a].nunique()
            found["user"], found["item"] = (b, a) if swap else (a, b)
        return
    known, wanted = ("user", "item") if found["user"] else ("item", "user")
    for name in keys:
        if fits(frame, str(found[known]), name)[0]:
            found[wanted] = name
            return


def _is_key(column: pd.Series[Any]) -> bool:
    values = column.dropna()
    if values.empty or values.nunique() < 2 or values.is_unique:
        return False
    if pd.api.types.is_float_dtype(values):
        return bool((values == values.round()).all()) and values.nunique() > 20
    if pd.api.types.is_integer_dtype(values):
        return values.nunique() > 20
    return not pd.api.types.is_datetime64_any_dtype(values) and not pd.api.types.is_bool_dtype(values)
