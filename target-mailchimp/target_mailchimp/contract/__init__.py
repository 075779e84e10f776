"""The member record: parsed and validated."""
