"""The server's own chain in the public log: what it does to keys, so that nobody does it unseen."""
