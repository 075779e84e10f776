"""Sends again what the source owns and was edited in Mailchimp, where no record did."""

from __future__ import annotations

from target_mailchimp.loading.pipeline import Loader
from target_mailchimp.rules.plan import Write, restoration
from target_mailchimp.settings import LoadSettings


def restore(loader: Loader, settings: LoadSettings) -> None:
    """Put back edits in Mailchimp, once all records are written.

    A comparison restores nothing: what a run would put back is drift of the row that comes. Nor does a run
    that is about some people.

    Args:
        loader: Knows the audiences, writes and records.
        settings: The user's choices.

    Raises:
        ConnectorError: The run cannot go on.
    """
    if settings.reconcile or settings.is_about_some:
        return
    loader.flush()
    for audience in loader.own_audiences():
        membership = loader.open(audience)
        for page in membership.edited():
            nothing_to_restore: dict[str, None] = {}
            writes: list[Write] = []
            for member, state in page.items():
                write = restoration(member, state, audience, settings)
                if write is None or membership.is_archived(member):
                    nothing_to_restore[member] = None
                    continue
                writes.append(write)
            loader.record([], {membership.edited_namespace: nothing_to_restore})
            loader.write_now(audience, writes)
