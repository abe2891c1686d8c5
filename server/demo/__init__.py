"""What the demo and the tests run beside the service: stores, a push provider, a mailbox.

Knows how to start and end processes; knows no rule of the house.
"""
