"""T-006: Model evaluation on the untouched holdout. Edit freely: `sw do` runs this file."""

from specweave import evaluate_models, publish_document

evaluate_models()  # reports/evaluation.json

publish_document("evaluation-report")  # reports/evaluation-report.md with pictures
publish_document("03-model-analysis")  # notebooks/03-model-analysis.ipynb, executed
