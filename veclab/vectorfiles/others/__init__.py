"""Vectors where other tools keep them, read in place: FAISS, Chroma, Qdrant, pgvector, and more."""
