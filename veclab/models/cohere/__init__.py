"""Models of Cohere, by its own interface."""
