"""Compares an audience with its source instead of writing."""
