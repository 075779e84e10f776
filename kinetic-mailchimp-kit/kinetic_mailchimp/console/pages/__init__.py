"""The audit trail in a browser: pages made on the server, for reading, and for the work on dead letters."""
