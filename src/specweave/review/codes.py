"""Every code that a finding can carry, with its meaning: those of the rules, and those that the stages write.

Reads: the registered rules. Writes: nothing. Never: gives a code to two meanings.
"""

from __future__ import annotations

from specweave import registry
from specweave.errors import UnknownNameError, did_you_mean
from specweave.review.base import Rule

# What the stages write into their records: code -> (where it is written, what it means).
RECORDED: dict[str, tuple[str, str]] = {
    "SW201": ("data/profile.json", "missing values"),
    "SW202": ("data/profile.json", "column without any value"),
    "SW203": ("data/profile.json", "column with one value"),
    "SW204": ("data/profile.json", "duplicate rows"),
    "SW205": ("data/profile.json", "category of very many levels"),
    "SW206": ("data/profile.json", "suspected identifier"),
    "SW207": ("data/profile.json", "suspected leak: the column gives the target away"),
    "SW208": ("data/profile.json", "outliers"),
    "SW209": ("data/profile.json", "skewed numbers"),
    "SW210": ("data/profile.json", "infinite values"),
    "SW211": ("data/profile.json", "numbers mixed with other text"),
    "SW212": ("data/profile.json", "classes out of balance"),
    "SW213": ("data/profile.json", "rare class"),
    "SW214": ("data/profile.json", "few rows"),
    "SW215": ("data/profile.json", "dates that need a look"),
    "SW216": ("data/profile.json", "constant target"),
    "SW217": ("data/profile.json", "target with missing values"),
    "SW218": ("data/profile.json", "two columns saying the same"),
    "SW219": ("data/profile.json", "more columns than rows"),
    "SW220": ("data/profile.json", "one column predicts almost everything"),
    "SW221": ("sw predict, sw serve, sw monitor", "missing column"),
    "SW222": ("sw predict, sw serve, sw monitor", "column that the schema does not know"),
    "SW223": ("sw predict, sw serve, sw monitor", "value of another type"),
    "SW224": ("sw predict, sw serve, sw monitor", "level not seen in training"),
    "SW225": ("sw predict, sw serve, sw monitor", "value outside the range of training"),
    "SW226": ("sw predict, sw serve, sw monitor", "missing values where training had none"),
    "SW227": ("features/validation.json", "the holdout drifts away from the training rows"),
    "SW228": ("features/validation.json", "holdout rows repeat training rows"),
    "SW229": ("features/validation.json", "levels that the training rows lack"),
    "SW230": ("features/validation.json", "values that are no finite number"),
    "SW231": ("features/validation.json", "a suspected leak is used"),
    "SW232": ("features/validation.json", "the holdout does not lie after the training rows"),
    "SW233": ("features/validation.json", "a group stands on both sides of the split"),
    "SW234": ("features/validation.json", "a row's features depend on other rows"),
    "SW240": ("data/profile.json", "the shape of the interactions"),
    "SW241": ("data/profile.json", "repeated pairs of user and item"),
    "SW242": ("data/profile.json", "users with a single interaction"),
    "SW243": ("data/profile.json", "items with few users"),
    "SW244": ("data/profile.json", "lists as long as the catalogue"),
    "SW245": ("data/profile.json", "rows without user or item"),
    "SW246": ("data/profile.json", "few items take most interactions"),
    "SW247": ("data/profile.json", "events of several kinds that count alike"),
    "SW251": ("data/profile.json", "a series with several rows at one time"),
    "SW252": ("data/profile.json", "gaps in a series"),
    "SW253": ("data/profile.json", "series shorter than two seasons"),
    "SW254": ("data/profile.json", "series that never change"),
    "SW255": ("data/profile.json", "zero or negative values in a series"),
    "SW256": ("data/profile.json", "series that end early"),
    "SW257": ("data/profile.json", "columns that a forecast cannot use"),
    "SW258": ("data/profile.json", "values that are mostly zero"),
    "SW261": ("data/profile.json", "transactions that are refunds"),
    "SW262": ("data/profile.json", "transactions with an amount of zero"),
    "SW263": ("data/profile.json", "transactions without customer, date or amount"),
    "SW264": ("data/profile.json", "most customers bought on one day only"),
    "SW265": ("data/profile.json", "amounts in several currencies, added up as if one"),
    "SW301": ("reports/evaluation.json", "a label is never decided"),
    "SW302": ("reports/evaluation.json", "a label that hardly any held-out row has"),
    "SW311": ("reports/evaluation.json", "the interval holds less than it says"),
    "SW312": ("reports/evaluation.json", "the demanded precision cannot be promised"),
    "SW313": ("reports/evaluation.json", "the promised precision was missed"),
    "SW314": ("reports/evaluation.json", "predictions sum to something clearly else than what came"),
    "SW320": ("reports/evaluation.json", "far better on training rows than on validation folds"),
    "SW321": ("reports/evaluation.json", "the holdout falls behind the validation folds"),
    "SW322": ("reports/evaluation.json", "the best baseline is not beaten"),
    "SW323": ("reports/evaluation.json", "the runner-up is as good"),
    "SW324": ("reports/evaluation.json", "nearly perfect"),
    "SW325": ("reports/evaluation.json", "few holdout rows"),
    "SW326": ("reports/evaluation.json", "segments that do worse"),
    "SW327": ("reports/evaluation.json", "a baseline was chosen"),
    "SW331": ("reports/evaluation.json", "users without a history"),
    "SW332": ("reports/evaluation.json", "few items are ever recommended"),
    "SW333": ("reports/evaluation.json", "lists that are not full"),
    "SW334": ("reports/evaluation.json", "a random split flatters: the future is harder"),
    "SW340": ("reports/evaluation.json", "a forecast interval holds less, or more, than it says"),
    "SW341": ("reports/evaluation.json", "residuals are autocorrelated"),
    "SW342": ("reports/evaluation.json", "residuals are not normal"),
    "SW401": ("reports/explanation.json", "one column dominates"),
    "SW402": ("reports/explanation.json", "SHAP and LIME disagree on an example"),
    "SW403": ("reports/explanation.json", "a column that the model leans on does not help it"),
    "SW404": ("reports/explanation.json", "columns without any influence"),
    "SW701": ("sw model verify", "a version's files cannot be read"),
    "SW702": ("sw model verify", "a version was changed after it was registered"),
    "SW711": ("sw monitor", "a column drifted"),
    "SW712": ("sw monitor", "new levels"),
    "SW713": ("sw monitor", "more missing values"),
    "SW714": ("sw monitor", "the answers drifted"),
    "SW715": ("sw monitor", "the performance fell"),
    "SW716": ("sw monitor", "few rows to compare"),
    "SW721": ("reports/deployment.json", "the package answers differently from the measured model"),
    "SW722": ("reports/deployment.json", "the packaged model needs modules of this project"),
}


def all_rules() -> list[Rule]:
    """Return every registered rule, by code."""
    return [found for _, found in sorted(registry.items("rules"))]


def title_of(code: str) -> str:
    """Return what a code means, in a few words; the code itself where nobody knows."""
    if code in RECORDED:
        return RECORDED[code][1]
    return registry.get("rules", code).title if code in registry.names("rules") else code


def get_rule(code: str) -> Rule | None:
    """Return the rule of a code; None for one that a stage writes.

    Raises
    ------
    UnknownNameError
        If no finding carries it; offers the nearest.
    """
    wanted = code.strip().upper()
    known = [*registry.names("rules"), *RECORDED]
    if wanted not in known:
        raise UnknownNameError(
            f"no finding carries the code '{code}'",
            hint=f"{did_you_mean(wanted, known)} See: sw review --rules",
        )
    if wanted in RECORDED:
        return None
    found: Rule = registry.get("rules", wanted)
    return found


def render_rules() -> str:
    """Return the table of all codes as Markdown, for the documentation."""
    lines = ["| code | severity | what stands where it fires | change |", "|---|---|---|---|"]
    lines += [
        f"| {r.code} | {r.severity} | **{r.title}.** {r.meaning} | {'`--apply`' if r.fixes else ''} |".replace(
            "<", "&lt;"
        )
        for r in all_rules()
    ]
    lines += ["", "| code | written by the stages into | meaning |", "|---|---|---|"]
    lines += [
        f"| {code} | {f'`{where}`' if '/' in where else where} | {meaning} |"
        for code, (where, meaning) in RECORDED.items()
    ]
    return "\n".join(lines) + "\n"
