"""Meaning: what the distances between vectors say."""
