"""Finds, writes and creates rows in Kinetic."""
