"""Use-cases of pickup windows."""
