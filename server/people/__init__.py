"""People and carriers: accounts, devices, one-time codes, permissions, API keys."""
