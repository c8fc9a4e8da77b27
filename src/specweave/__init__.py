"""specweave."""
