"""Anchors: heads of the public log written where not even its owner can take them back."""
