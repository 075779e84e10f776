"""Turns the result of each record into one decision."""
