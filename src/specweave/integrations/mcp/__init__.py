"""The same verbs for any agent that speaks the Model Context Protocol: ``sw mcp``."""
