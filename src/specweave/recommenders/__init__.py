"""Recommenders: interactions, splits, models that rank items for users, and why they did."""
