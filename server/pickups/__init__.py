"""Pickup windows: what a person is likely to choose, proposed, chosen and kept."""
