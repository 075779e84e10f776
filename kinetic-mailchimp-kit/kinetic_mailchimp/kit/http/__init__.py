"""HTTP as a client: one call, its retries, and bounds on what comes back."""
