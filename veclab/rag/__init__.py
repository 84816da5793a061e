"""Questions answered from a store, with citations that were checked."""
