"""Takes records, and brings each to its decision."""
