"""A simulator of the Epicor Kinetic REST API v2."""
