"""T-010: Plan the online test of the reranked lists against the candidates' own order."""

from specweave import load_training_data, open_workspace, publish_table, track_experiment
from specweave.statistics.power import mean_sample_size

SHRINKAGE = 0.5  # of an offline gain, what a cautious plan expects to see online

users = load_training_data()  # NDCG@10 of each user under both orders
control, treatment = users["control"].mean(), users["treatment"].mean()
gain = treatment - control
# A test must be able to see a small loss as well as a small gain.
effect = SHRINKAGE * gain if abs(gain) > 0.01 * control else 0.02 * control
per_arm = mean_sample_size(users["control"].std(), effect)

with track_experiment("ab-test-plan", resume=True, inputs={"shrinkage": SHRINKAGE}) as run:
    run.log_metrics(
        {
            "control_ndcg@10": control,
            "treatment_ndcg@10": treatment,
            "effect": effect,
            "users_per_arm": per_arm,
        }
    )
    run.log_note(f"offline the treatment is {gain:+.4f} NDCG@10 from the control")

folder = open_workspace().folder / "deploy"
folder.mkdir(exist_ok=True)
(folder / "ab-test-plan.md").write_text(
    f"""# Online test: reranked lists against the candidates' own order

| | NDCG@10 offline |
|---|---|
| control: candidates in their own order (0043) | {control:.4f} |
| treatment: ranked (0044) and reranked (0045) | {treatment:.4f} |

- Unit: a user, by a hash of the id, half in each arm.
- Metric: NDCG@10 of what a user opens after the lists are shown.
- Effect to be seen: {effect:+.4f}, half of what was seen offline (at least 2 % of the control).
- Users per arm: {per_arm:,} (two-sided, alpha 0.05, power 0.8).
- Decide once, when both arms are full. Do not look earlier.
- Stop at once if the p95 latency passes what spec.md of 0043 allows.
"""
)
publish_table(users.describe().reset_index(names="statistic"))
