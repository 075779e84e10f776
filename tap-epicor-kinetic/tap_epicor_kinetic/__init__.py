"""Singer tap for the Epicor Kinetic ERP (REST API v2, OData)."""
