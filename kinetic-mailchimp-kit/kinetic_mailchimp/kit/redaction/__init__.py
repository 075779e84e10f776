"""Makes texts fit for logs, terminals and files: no secrets, and no control characters."""
