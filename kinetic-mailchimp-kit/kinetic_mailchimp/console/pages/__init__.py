"""The audit trail in a browser: pages made on the server, for reading, with one button that writes."""
