"""What happened: one folder of small text files per experiment, whatever the problem type."""
