"""Lockers and their keys, enrolment, compartments, reservations, and incidents about them."""
