"""Looking over an installation: what there is, and what to do about what is missing."""
