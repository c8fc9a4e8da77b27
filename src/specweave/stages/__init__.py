"""The nine tasks: pure functions in a file shell, one file each."""
