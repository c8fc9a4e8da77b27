"""BG/NBD, MBG/NBD and Gamma-Gamma against the numbers that their authors published for the CDNOW sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import betaincinv

from specweave.lifetimes.bgnbd import fit_bgnbd, fit_gamma_gamma, purchases_while_alive
from specweave.lifetimes.customers import make_customers
from specweave.lifetimes.mbgnbd import fit_mbgnbd
from specweave.lifetimes.transactions import find_columns, parse_transactions

CDNOW = Path(__file__).resolve().parents[2] / "examples" / "ltv" / "cdnow-sample.csv"


@pytest.fixture(scope="module")
def customers() -> pd.DataFrame:
    frame = pd.read_csv(CDNOW)
    columns = find_columns(frame)
    assert columns is not None
    return make_customers(parse_transactions(frame, columns), pd.Timestamp("1997-09-30"))


def test_bgnbd_gives_the_published_parameters(customers: pd.DataFrame) -> None:
    # Fader, Hardie & Lee 2005, table 2.
    model = fit_bgnbd(customers["frequency"], customers["recency_weeks"], customers["age_weeks"])
    assert len(customers) == 2357
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.243, 4.414, 0.793, 2.426), abs=6e-4)
    assert model.log_likelihood == pytest.approx(-9582.4, abs=0.05)
    # The worked example of their Excel note: x = 2, t_x = 30.43, T = 38.86 over 39 weeks.
    assert model.expected_purchases(39, [2], [30.43], [38.86])[0] == pytest.approx(1.226, abs=5e-4)
    alive = model.chance_alive([0, 2], [0, 30.43], [38.86, 38.86])
    assert alive[0] == 1 and 0 < alive[1] < 1


def test_gamma_gamma_gives_the_published_parameters(customers: pd.DataFrame) -> None:
    # Fader & Hardie 2013: p = 6.25, q = 3.74, gamma = 15.44 on the 946 customers who came back.
    model = fit_gamma_gamma(customers["frequency"], customers["mean_repeat_spend"])
    assert (customers["frequency"] > 0).sum() == 946
    assert (model.p, model.q, model.gamma) == pytest.approx((6.25, 3.74, 15.44), abs=0.01)
    spend = model.expected_spend([0, 100], [0.0, 50.0])
    assert spend[0] == pytest.approx(model.p * model.gamma / (model.q - 1))
    assert spend[1] == pytest.approx(50, rel=0.02)


def test_mbgnbd_gives_the_published_parameters_and_lets_customers_leave_at_once(
    customers: pd.DataFrame,
) -> None:
    # As lifetimes 0.11 (ModifiedBetaGeoFitter) and BTYDplus print them for this sample.
    model = fit_mbgnbd(customers["frequency"], customers["recency_weeks"], customers["age_weeks"])
    assert (model.r, model.alpha, model.a, model.b) == pytest.approx((0.525, 6.183, 0.891, 1.614), abs=2e-3)
    once, often = model.chance_alive([0, 5], [0, 38], [38.86, 38.86])
    assert 0 < once < often < 1
    rng, n = np.random.default_rng(1), 200_000
    rate, drop = rng.gamma(model.r, 1 / model.alpha, n), rng.beta(model.a, model.b, n)
    bought, clock = np.zeros(n), np.zeros(n)
    alive = rng.random(n) >= drop
    while alive.any():
        clock[alive] += rng.exponential(1 / rate[alive])
        alive &= clock < 20
        bought[alive] += 1
        alive &= rng.random(n) >= drop
    # A formula of what is left after week 0, over everybody who was just acquired.
    assert model.expected_purchases(20, [0], [0], [0])[0] == pytest.approx(bought.mean(), rel=0.03)


def test_expected_purchases_agree_with_a_simulation_of_the_story() -> None:
    rng = np.random.default_rng(0)
    model = fit_bgnbd([0, 1, 3, 0, 2] * 40, [0, 5, 20, 0, 9] * 40, [30.0, 30, 30, 20, 10] * 40)
    n = 200_000
    rate, drop = rng.gamma(model.r, 1 / model.alpha, n), rng.beta(model.a, model.b, n)
    bought, clock = np.zeros(n), np.zeros(n)
    alive = np.ones(n, dtype=bool)
    while alive.any():
        clock[alive] += rng.exponential(1 / rate[alive])
        alive &= clock < 20
        bought[alive] += 1
        alive &= rng.random(n) >= drop
    # At age 0 nothing is known of a customer: the expectation over all of them.
    assert model.expected_purchases(20, [0], [0], [0])[0] == pytest.approx(bought.mean(), rel=0.03)


def test_regular_payments_get_a_number_though_the_closed_form_breaks() -> None:
    # A subscription: one payment every four weeks until people leave, so that rates hardly differ.
    rng = np.random.default_rng(0)
    age = rng.uniform(20, 80, 400)
    x = np.minimum(np.floor(age / 4), rng.geometric(0.05, 400) - 1.0)
    for fit in (fit_bgnbd, fit_mbgnbd):
        model = fit(x, 4 * x, age)
        expected = model.expected_purchases(26, x, 4 * x, age)
        assert np.isfinite(expected).all() and (expected >= 0).all() and expected.max() < 26 / 4 * 1.3


def test_the_closed_form_and_the_quantiles_agree() -> None:
    shape, rate, b = np.array([0.4, 2.0, 7.0]), np.array([12.0, 40.0, 50.0]), np.array([2.4, 3.4, 9.4])
    exact = purchases_while_alive(39, shape, rate, 0.8, b)
    places = (np.arange(20_000) + 0.5) / 20_000
    chance = betaincinv(0.8, b[:, None], places)
    mean = ((1 - (1 + chance * 39 / rate[:, None]) ** -shape[:, None]) / chance).mean(axis=1)
    assert exact == pytest.approx(mean, rel=1e-3)
