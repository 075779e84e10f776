"""Pages and alerts over the audit trail, which no target needs."""
