"""Builds what a run works with from its settings."""

from __future__ import annotations

from collections.abc import Iterator

from kinetic_mailchimp.audit import AuditTrail, Run
from kinetic_mailchimp.mailchimp import MailchimpClient

from target_mailchimp.audience.directory import AudienceDirectory
from target_mailchimp.membership import Membership
from target_mailchimp.pipeline import Loader
from target_mailchimp.reconcile.comparison import Comparison
from target_mailchimp.reconcile.live_membership import LiveMembership
from target_mailchimp.reconcile.snapshot import Snapshot
from target_mailchimp.settings import LoadSettings
from target_mailchimp.writing.writer import DryRunWriter, MailchimpWriter


class Assembly:
    """Builds what a run works with.

    Attributes:
        directory: Finds the audiences of the account.
    """

    def __init__(self, client: MailchimpClient, settings: LoadSettings) -> None:
        self._client = client
        self._settings = settings
        self.directory = AudienceDirectory(
            client,
            create_merge_fields=settings.create_merge_fields and not settings.dry_run,
            address_placeholder=settings.address_placeholder,
        )

    def loader(self, trail: AuditTrail, run: Run) -> Loader:
        """The loader of all streams, or with `reconcile` the comparison that takes its place."""
        client, settings = self._client, self._settings
        if settings.reconcile:
            snapshot = Snapshot()
            return Comparison(
                settings,
                self.directory,
                lambda audience: LiveMembership(client, trail, audience.id, snapshot),
                run,
                snapshot,
            )
        writer = MailchimpWriter(
            client,
            skip_merge_validation=settings.skip_merge_validation,
            keep_payloads=settings.keep_payloads,
        )
        return Loader(
            settings,
            self.directory,
            lambda audience: Membership(
                client,
                trail,
                lambda ledger: run.record([], ledger=ledger),
                audience.id,
                looks_at_all=settings.repair,
            ),
            DryRunWriter() if settings.dry_run else writer,
            run,
        )

    def check_connection(self, trail: AuditTrail) -> Iterator[str]:
        """Try what a run needs: one readable line for each thing that works.

        Raises:
            ConnectorError: In words, what does not work and what to do.
        """
        self._client.ping()
        account = self._client.account()
        yield f"Mailchimp answers: account {account['account_name']}, role {account['role']}."
        for named in {self._settings.list_id, *(self._settings.list_id_by_stream or {}).values()} - {""}:
            audience = self.directory.get(named)
            opt_in = "double" if audience.double_optin else "single"
            fields = len(audience.fields)
            yield f"Audience {audience.name} ({audience.id}): {fields} merge fields, {opt_in} opt-in."
        trail.ledger("connection-check").count()
        yield "The audit database answers."
