"""The log's side of witnessing: heads are shown to witnesses, and published with their word."""
