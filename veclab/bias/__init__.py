"""Probe models for associations between groups of words."""
