"""The head of the public log: how it is signed, seen and trusted, and what is proved under it."""
