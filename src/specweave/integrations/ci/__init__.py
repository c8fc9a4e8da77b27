"""What a pull request does to criteria and metrics, for people and for the machines that merge."""
