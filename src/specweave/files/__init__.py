"""Files as people and git see them: atomic writes, claims, documents, records."""
