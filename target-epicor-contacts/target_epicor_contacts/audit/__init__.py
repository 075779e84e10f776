"""Turns the result of each event into one decision."""
