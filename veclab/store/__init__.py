"""Passages with their vectors, kept where they can be searched."""
