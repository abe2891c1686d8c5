"""A witness, which a partner runs: it cosigns a log's heads, each only if it continues the last."""
