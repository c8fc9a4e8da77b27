"""Documents and pictures made from what the folders hold."""
