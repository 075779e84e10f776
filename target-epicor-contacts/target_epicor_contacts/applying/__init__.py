"""The way of a batch: find rows, plan, write, record; what cannot be asked about is isolated."""
