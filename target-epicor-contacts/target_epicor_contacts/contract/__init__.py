"""The contact update: parsed and validated, and the order of events."""
