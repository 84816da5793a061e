"""Word vectors: GloVe, word2vec, fastText."""
