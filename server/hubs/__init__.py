"""Partners and the places where lockers stand: address, position, hours."""
