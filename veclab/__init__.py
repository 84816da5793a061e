"""veclab: text in, vectors you can trust out."""
