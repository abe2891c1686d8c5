"""Keys that never come to the server: made, kept and used on a machine without a network."""
