"""Verifies the hash chains."""
