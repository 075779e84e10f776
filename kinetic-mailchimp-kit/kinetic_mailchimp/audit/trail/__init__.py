"""Records every decision of a run in a hash chain."""
