"""T-010: Clean the interactions: one row per user and item, users and items that say enough."""

from specweave import load_training_data, publish_table, track_experiment
from specweave.recommenders.columns import find_columns

LEAST = 5  # interactions of a user, and of an item, below which nothing can be learned or tested

raw = load_training_data()
columns = find_columns(raw)
names = {columns[role]: role for role in ("user", "item", "rating", "time") if columns[role]}
rows = raw[list(names)].rename(columns=names).dropna(subset=["user", "item"])
rows = rows.drop_duplicates(["user", "item"], keep="last")

while True:  # leaving out an item can leave a user with too little, and the other way round
    often = rows.groupby("user")["item"].transform("size").ge(LEAST)
    often &= rows.groupby("item")["user"].transform("size").ge(LEAST)
    if often.all():
        break
    rows = rows[often]

with track_experiment("cleaning", resume=True, inputs={"least": LEAST}) as run:
    run.log_params({"least": LEAST, "columns": ", ".join(names)})
    run.log_metrics({"rows_read": len(raw), "rows_kept": len(rows), "users": rows["user"].nunique(),
                     "items": rows["item"].nunique()})  # fmt: skip
    run.log_note(f"{len(rows):,} of {len(raw):,} rows stay")

publish_table(rows)  # data/output.parquet
