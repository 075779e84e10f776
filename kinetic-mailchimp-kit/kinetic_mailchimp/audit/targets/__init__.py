"""The base of a target: its settings, its run in the audit trail, and its sinks."""
