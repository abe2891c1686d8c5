"""What can be done with accounts, devices and carriers, each in the caller's transaction."""
