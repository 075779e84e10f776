"""Readers of what others wrote: addresses, timestamps, numbers, countries, JSON."""
