"""The use-cases of parcels: announced, kept a place, scanned, moved by facts, read."""
