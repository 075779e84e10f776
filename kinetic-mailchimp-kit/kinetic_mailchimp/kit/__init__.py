"""HTTP transport, secret settings, redaction and recovery-first errors shared by the connectors."""
