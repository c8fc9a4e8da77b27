"""T-010: Order each user's candidates by the ranking model, then mix in less known items; measure each order."""

import numpy as np

from specweave import load_training_data, publish_table, track_experiment

K = 10
MIX = 0.05  # how much an item's novelty counts beside its probability; 0 keeps the ranking model's order

pairs = load_training_data()  # candidates with the ranking model's answer for users it was not trained on
probability = next(name for name in pairs.columns if name.startswith("m0044_p_") and name.endswith("1"))


def spread(name):
    """Return a column between 0 and 1 within each user."""
    groups = pairs.groupby("user")[name]
    low, high = groups.transform("min"), groups.transform("max")
    return ((pairs[name] - low) / (high - low).where(high > low, 1)).fillna(0)


orders = {
    "candidate-order": -pairs["place"],
    "ranking-model": pairs[probability],
    "reranked": (1 - MIX) * spread(probability) + MIX * spread("novelty"),
}


def measure(score):
    """Return NDCG@K of each user, and the share of all candidate items that some user is shown."""
    top = (
        pairs.assign(order=score)
        .sort_values(["user", "order"], ascending=[True, False])
        .groupby("user")
        .head(K)
    )
    place = top.groupby("user").cumcount()
    gain = (top["hit"] / np.log2(place + 2)).groupby(top["user"]).sum()
    hidden = pairs.groupby("user")["hidden"].first().clip(upper=K)
    ideal = hidden.map(lambda n: (1 / np.log2(np.arange(n) + 2)).sum())
    return gain / ideal, top["item"].nunique() / pairs["item"].nunique()


users = {}
for name, score in orders.items():
    ndcg, coverage = measure(score)
    users[f"ndcg_{name}"] = ndcg
    with track_experiment(name, resume=True, inputs={"mix": MIX, "k": K}) as run:
        run.log_params({"mix": MIX if name == "reranked" else 0.0, "k": K})
        run.log_metrics({f"ndcg@{K}": float(ndcg.mean()), "coverage": float(coverage), "users": len(ndcg)})

table = users["ndcg_candidate-order"].rename("control").to_frame()
table["treatment"] = users["ndcg_reranked"]
publish_table(table.reset_index())
