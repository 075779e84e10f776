"""An audience, as far as records need it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kinetic_mailchimp.mailchimp.merge_field import MergeField

MERGE_FIELD = "merge_fields."
"""Begins the flat name of a merge field's value."""


@dataclass(frozen=True)
class Audience:
    """An audience with its fields.

    Attributes:
        double_optin: Whether new members confirm by mail.
        fields: Merge fields by tag.
        interests: Ids of interests by id and by lower-case name, and by `group/name`.
    """

    id: str
    name: str
    double_optin: bool = False
    fields: Mapping[str, MergeField] = field(default_factory=dict)
    interests: Mapping[str, str] = field(default_factory=dict)

    def signature_of(self, name: str) -> str:
        """The signature of the merge field behind a flat name; empty for anything else."""
        merge_field = (
            self.fields.get(name.removeprefix(MERGE_FIELD)) if name.startswith(MERGE_FIELD) else None
        )
        return merge_field.signature if merge_field else ""
