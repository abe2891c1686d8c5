"""What notices need to know before anybody is told."""
