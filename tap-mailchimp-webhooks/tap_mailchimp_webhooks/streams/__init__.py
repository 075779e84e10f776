"""The streams, and how the inbox is read for them."""
