"""Where training data comes from when it is no single file: one file per kind of source."""
