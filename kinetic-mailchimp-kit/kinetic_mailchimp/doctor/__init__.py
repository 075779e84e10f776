"""`connector-doctor`: looks at everything that a run needs, against the real systems, and says what to do."""
