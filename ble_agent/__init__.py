"""The locker's own computer: opens doors with no network, and proves later what it did.

Shares `schema` with the server and nothing else.
"""
