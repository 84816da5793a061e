"""An OpenAI-compatible server over one engine, one cache and one Space for all clients."""
