"""The streams, and the schema of each."""
