"""T-010: Your own script. Edit freely: `sw do` runs this file."""

from specweave import load_training_data, publish_table

rows = load_training_data()  # what spec.md names under "Training data"

publish_table(rows.drop_duplicates())  # data/output.parquet; others read it as `increment: NUMBER`
