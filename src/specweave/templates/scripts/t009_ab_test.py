"""T-009: A/B test plan. Edit freely: `sw do` runs this file."""

from specweave import plan_ab_test, publish_document

plan_ab_test()  # reports/ab-test.json

publish_document("ab-test-plan")  # deploy/ab-test-plan.md
