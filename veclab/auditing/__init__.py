"""Audit files of vectors, and texts before they are embedded."""
