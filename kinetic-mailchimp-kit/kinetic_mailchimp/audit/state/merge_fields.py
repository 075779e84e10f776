"""Definitions of an audience's merge fields, by which both directions tell a form of a value from an edit."""

from __future__ import annotations


def merge_fields_namespace(list_id: str) -> str:
    """The namespace of the ledger by tag, with `MergeField.to_json`. Written by target-mailchimp alone."""
    return f"merge_fields/{list_id}"
