"""The audit trail of the connectors: every decision about every record, and how to read it."""
