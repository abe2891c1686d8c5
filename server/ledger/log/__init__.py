"""The public log: each journal entry is a leaf of one tree, whose signed head all can check."""
