"""Client of the Epicor Kinetic REST API v2: identity, OData reads and writes, $metadata, errors."""
