"""Training code of any framework leaves the same record: one thin file per framework."""
