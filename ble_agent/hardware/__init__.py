"""Doors, bolts and sensors behind one port; importing this package loads no driver."""
