"""Files of vectors: veclab's own, and any with a column of vectors."""
