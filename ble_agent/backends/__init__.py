"""Bluetooth from the phone's side, and an air to carry it, both without a radio."""
