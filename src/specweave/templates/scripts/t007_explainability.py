"""T-007: Model explainability (SHAP and LIME). Edit freely: `sw do` runs this file."""

from specweave import explain_model, publish_document

explain_model()  # shap_values.pkl in the best experiment, reports/explanation.json

publish_document("explainability-report")  # reports/explainability-report.md with pictures
