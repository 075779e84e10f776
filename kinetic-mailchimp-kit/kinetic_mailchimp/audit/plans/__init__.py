"""Plans: dry runs that a person approves before a run writes them."""
