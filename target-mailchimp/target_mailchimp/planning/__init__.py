"""Plans the records of a batch with the states of their people."""
