"""The rules of the review; ``registry.py`` names each by its code."""
