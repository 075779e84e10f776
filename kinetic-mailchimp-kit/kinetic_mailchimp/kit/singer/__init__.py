"""The base of a plugin on the Singer SDK (needs the extra `singer`)."""
