"""T-005: Hyperparameter tuning of the best candidates. Edit freely: `sw do` runs this file."""

from specweave import tune_best

tuned = tune_best()  # trials, time budget and search spaces of plan.md; resumes where it was stopped
print(tuned)
