"""The state of a person between runs."""
