"""Compare vectors of one Space: similarity, nearest neighbors, near-duplicates, pairs."""
