"""Trackers of other makers that receive copies of the runs: one thin file each."""
