"""Coding agents: what tells them how to drive the tool, and how it is put into a project and taken out."""
