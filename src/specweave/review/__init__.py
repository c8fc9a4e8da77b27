"""The ml-engineer: one rule per doubt, each with a stable code, evidence, advice and the change it asks for."""
