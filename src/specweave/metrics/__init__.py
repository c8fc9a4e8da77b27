"""What is measured: one file per family of metrics, one table of names."""
