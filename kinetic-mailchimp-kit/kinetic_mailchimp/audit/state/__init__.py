"""The state that targets keep between runs, changed together with the decisions."""
