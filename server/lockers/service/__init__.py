"""The use-cases of lockers: enrolment, key sets, reservations, facts, reading."""
