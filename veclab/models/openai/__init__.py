"""Models of OpenAI and of every OpenAI-compatible endpoint."""
