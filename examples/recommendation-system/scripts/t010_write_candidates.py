"""T-010: Write the candidates of each user, with what is known of them, for a ranking model to order anew.

The lists are those that the chosen recommender made without having seen the held-out interactions, so that
"hit" is an honest target.
"""

import json

import pandas as pd

from specweave import open_workspace, publish_table

USERS = 1500  # enough to learn an order from, few enough to be quick

workspace = open_workspace()
chosen = json.loads((workspace.folder / "reports" / "evaluation.json").read_text())["experiment"]
lists = pd.read_parquet(workspace.folder / "experiments" / chosen / "predictions.parquet")
lists = lists[(lists["part"] == "holdout") & (lists["n_relevant"] > 0)]
lists = lists.sample(min(USERS, len(lists)), random_state=workspace.seed).sort_index()

places = sorted(int(name.partition(":")[2]) for name in lists.columns if name.startswith("hit:"))
pairs = pd.concat(
    [
        pd.DataFrame({
            "user": "u" + lists["user"].astype(str), "item": "i" + lists[f"item:{place}"].astype(str), "place": place,
            "score": lists[f"score:{place}"], "novelty": lists[f"novelty:{place}"],
            "likeness": lists[f"likeness:{place}"], "history": lists["n_history"],
            "hidden": lists["n_relevant"], "hit": lists[f"hit:{place}"].astype(int),
        })
        for place in places
    ]
)  # fmt: skip
pairs["share_of_best"] = pairs["score"] / pairs.groupby("user")["score"].transform("max")
pairs = pairs.dropna(subset=["score"]).sort_values(["user", "place"])

publish_table(pairs, "data/candidates.parquet")
