"""The tables of the audit trail, and the database that holds them."""
