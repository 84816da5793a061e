"""Solve analogies: king - man + woman = queen, by vectors."""
