"""The main path, from texts to vectors: `embed.py` is read top to bottom."""
