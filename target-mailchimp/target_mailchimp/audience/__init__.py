"""An audience: its merge fields, and values in their types."""
