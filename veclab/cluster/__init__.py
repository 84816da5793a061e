"""Corpora of many shards: one machine after the other's shards, or many at once."""
