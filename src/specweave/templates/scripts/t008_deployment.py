"""T-008: Production deployment preparation. Edit freely: `sw do` runs this file."""

from specweave import prepare_deployment, publish_document

prepare_deployment()  # models/model-vN.pkl, deploy/, parity check in a fresh process

publish_document("deployment-docs")  # deploy/DEPLOYMENT.md
