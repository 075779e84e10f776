"""Reads an entity set page by page without missing a row."""
