"""The database layer of the audit trail and of the webhook inbox (needs the extra `database`)."""
