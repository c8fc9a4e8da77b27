"""Runs of other trackers as experiments of ours: one thin file per tracker."""
