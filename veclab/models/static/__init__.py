"""Static models: a vector for each token, averaged."""
