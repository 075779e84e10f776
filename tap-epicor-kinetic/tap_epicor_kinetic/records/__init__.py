"""Turns rows into Singer records and messages."""
