"""Living documents: what a team wants to know a year later, made from the evidence of every increment."""
