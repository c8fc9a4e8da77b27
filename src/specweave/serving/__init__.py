"""Answering with a model: the inference package, in batches, over HTTP, and watched."""
