"""T-003: Train baseline models. Edit freely: `sw do` runs this file."""

from specweave import train_baseline_model

# A rule of your own counts as a strategy: a function of the raw rows that returns one answer per row.
baselines = train_baseline_model(strategies=[{{ strategies }}])
print(baselines)
