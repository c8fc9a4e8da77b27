"""T-002: Feature engineering pipeline. Edit freely: `sw do` runs this file."""

from specweave import engineer_features, publish_document

engineer_features()  # features/feature_definitions.yaml (edit it: training follows), transformer.pkl

publish_document("feature-reports")  # features/selection-report.md, validation-report.md
publish_document("02-feature-engineering")  # notebooks/02-feature-engineering.ipynb, executed
