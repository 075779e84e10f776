"""Dispatches dead letters again, and closes those that can never be written."""
