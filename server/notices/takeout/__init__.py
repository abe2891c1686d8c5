"""Everything that is kept about a person, for them to take along as one JSON document."""
