"""Issues on GitHub that show how an increment stands, and the workflow that judges pull requests."""
