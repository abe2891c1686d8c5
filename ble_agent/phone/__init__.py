"""The reference phone: what an app does at the door, for technicians, the demo and the tests."""
