"""A simulator of card transactions, a few of them fraud: ``transactions.csv`` beside this file is its output.

Run: python simulate.py [--rows 15000] [--seed 7] [-o transactions.csv]. The same seed gives the same file.
Nothing in it is real. Each card has its home country, its usual amounts and hours. Fraud comes in three
patterns: small test charges followed by a large one, purchases far from home at night, and many cash-like
purchases within an hour. One legitimate purchase in seven hundred looks like fraud (holidays), and one fraud
in eight looks like any other purchase, so that no rule and no model is right every time.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

CATEGORIES = ("grocery", "fuel", "restaurant", "online", "travel", "electronics", "gift cards", "cash")
USUAL = np.array([0.34, 0.14, 0.2, 0.18, 0.05, 0.05, 0.02, 0.02])
RISKY = np.array([0.02, 0.02, 0.03, 0.33, 0.08, 0.22, 0.2, 0.1])
COUNTRIES = ("DE", "FR", "NL", "PL", "ES", "US", "BR")
FRAUD_SHARE = 0.009


def simulate(rows: int, seed: int) -> pd.DataFrame:
    """Return `rows` transactions in order of time, with the column ``is_fraud``."""
    rng = np.random.default_rng(seed)
    cards = max(50, rows // 12)
    usual_amount = rng.lognormal(3.3, 0.5, cards)
    home = rng.choice(5, cards, p=[0.4, 0.2, 0.15, 0.15, 0.1])
    fraud = np.zeros(rows, dtype=bool)
    fraud[rng.choice(rows, round(rows * FRAUD_SHARE), replace=False)] = True
    plain = fraud & (rng.random(rows) < 1 / 8)
    holiday = ~fraud & (rng.random(rows) < 0.0015)
    odd = (fraud & ~plain) | holiday
    pattern = np.where(odd, rng.integers(0, 3, rows), -1)
    card = rng.integers(0, cards, rows)
    amount = usual_amount[card] * rng.lognormal(0, 0.6, rows)
    amount = np.where(pattern == 0, amount * rng.lognormal(1.8, 0.5, rows), amount)
    amount = np.where(pattern == 2, rng.choice([50.0, 100.0, 200.0], rows), amount)
    day_hour = np.clip(rng.normal(14.5, 4.2, rows), 0, 23.9)
    hour = np.where(pattern == 1, rng.uniform(0, 6, rows), day_hour)
    common = np.array([rng.choice(8, p=USUAL) for _ in range(rows)])
    risky = np.array([rng.choice(8, p=RISKY) for _ in range(rows)])
    abroad = np.where(pattern == 1, rng.random(rows) < 0.85, rng.random(rows) < 0.04)
    country = np.where(abroad, rng.choice(7, rows, p=[0.1, 0.1, 0.1, 0.1, 0.1, 0.3, 0.2]), home[card])
    last_hour = rng.poisson(0.15, rows) + np.where(pattern == 2, rng.poisson(3.5, rows), 0)
    last_hour = last_hour + np.where(pattern == 0, rng.poisson(1.5, rows), 0)
    present = rng.random(rows) < np.where(odd & fraud, 0.15, 0.7)
    stamps = pd.Timestamp("2025-01-01") + pd.to_timedelta(
        np.sort(rng.uniform(0, 90, rows)).astype(int), unit="D"
    )
    return pd.DataFrame(
        {
            "transaction_id": [f"t{i:06d}" for i in range(rows)],
            "day": stamps.strftime("%Y-%m-%d"),
            "hour": np.floor(hour).astype(int),
            "amount": amount.round(2),
            "amount_over_usual": (amount / usual_amount[card]).round(2),
            "category": np.asarray(CATEGORIES)[np.where(odd, risky, common)],
            "country": np.asarray(COUNTRIES)[country],
            "home_country": np.asarray(COUNTRIES)[home[card]],
            "card_present": np.where(present, "yes", "no"),
            "purchases_last_hour": last_hour,
            "card_age_months": rng.integers(1, 96, rows),
            "is_fraud": fraud.astype(int),
        }
    )


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=15000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("transactions.csv"))
    options = parser.parse_args()
    simulate(options.rows, options.seed).to_csv(options.output, index=False)


if __name__ == "__main__":
    main()
