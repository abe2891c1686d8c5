"""Cold chain: what lockers tell of their cooling, and for how long goods are safe by it."""
