"""Which streams there are, and the schema of each."""
