"""Pure decisions: consent, matching, merging, planning."""
