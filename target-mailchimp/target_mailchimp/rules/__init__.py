"""Pure decisions: consent, merging of rows, planning."""
