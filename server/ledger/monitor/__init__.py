"""A monitor: follows a log from outside, by its public files alone, and says what is wrong."""
