"""Graphs of known architectures, built from a model's configuration and weights without torch."""
