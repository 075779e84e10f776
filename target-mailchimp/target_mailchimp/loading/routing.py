"""Finds the audiences that a record goes to, where companies feed audiences."""

from __future__ import annotations

from collections.abc import Sequence

from kinetic_mailchimp.audit.state.audience_matrix import company_of

from target_mailchimp.contract.member_record import InvalidRecord, MemberRecord
from target_mailchimp.settings import LoadSettings


def routed(
    entry: MemberRecord | InvalidRecord, settings: LoadSettings
) -> Sequence[MemberRecord | InvalidRecord]:
    """An entry for each audience that the company of its row feeds; none where it feeds none.

    A record that names its audience, and a person's own opt-out, are of no company.

    Args:
        entry: A record.
        settings: Say who feeds whom.

    Raises:
        ConfigurationError: They do not say it of this row.
    """
    row = entry.source_key or ""
    if not settings.audiences_by_company:
        return (entry,)
    if isinstance(entry, InvalidRecord):
        return (entry,) if not company_of(row) or settings.audiences_of(row) else ()
    if entry.audience or entry.by_person:
        return (entry,)
    return [entry.bound_to(list_id) for list_id in settings.audiences_of(row)]
