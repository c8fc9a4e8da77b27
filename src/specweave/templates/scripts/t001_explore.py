"""T-001: Data exploration and quality analysis. Edit freely: `sw do` runs this file."""

from specweave import explore_data, publish_document

profile = explore_data()  # data/profile.json, schema.yaml, sample.csv, experiments/exp-001-eda

publish_document("quality-report")  # data/quality-report.md with pictures
publish_document("01-eda")  # notebooks/01-eda.ipynb, executed
