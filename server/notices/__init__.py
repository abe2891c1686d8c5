"""Notices: telling people, by push or letter, and knowing whether a provider took it."""
