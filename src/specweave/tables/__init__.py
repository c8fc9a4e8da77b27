"""One tabular data set: reading, kinds, profile, quality, schema, features, drift."""
