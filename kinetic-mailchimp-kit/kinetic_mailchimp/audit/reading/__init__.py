"""Reads the audit trail."""
