"""Erases a person, and removes entries past their retention."""
