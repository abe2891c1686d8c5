"""What lockers signed: every journal entry once, in the order of its chain, and their readings."""
