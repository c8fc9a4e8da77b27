"""T-004: Train candidate models side by side. Edit freely: `sw do` runs this file."""

from specweave import candidate_experiments, run_experiments

experiments = candidate_experiments()  # the candidates of plan.md

# Add your own here:
#   from specweave import ModelExperiment
#   experiments.append(ModelExperiment("my-model", MyEstimator, {"depth": 3}))

results = run_experiments(experiments)  # one experiment folder each, experiments/comparison.md
print(results)
