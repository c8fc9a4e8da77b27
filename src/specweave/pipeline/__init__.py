"""From documents to runs to verdicts: planning, running, validating."""
