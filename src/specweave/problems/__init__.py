"""Problem types: one file each, all answering the same questions."""
