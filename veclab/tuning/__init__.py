"""A model for one's own domain, its gain proven or refused."""
