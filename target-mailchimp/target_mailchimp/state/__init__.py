"""The state of a member between runs."""
