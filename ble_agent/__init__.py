"""The agent on the locker: opens doors for phones by Bluetooth, with no network.

Imports `schema`, never `server`.
"""

__version__ = "0.1.0"
