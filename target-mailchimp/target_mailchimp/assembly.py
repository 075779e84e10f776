"""Builds what a run works with from its settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cached_property

from kinetic_mailchimp.audit import AuditTrail, LedgerChanges, Run
from kinetic_mailchimp.audit.dead_letters.dispatch import replayed_sources
from kinetic_mailchimp.audit.plans.approved import ApprovedPlan
from kinetic_mailchimp.audit.trail.environment import CORRELATION_VARIABLE
from kinetic_mailchimp.kit.checks import Finding, clock_finding
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from kinetic_mailchimp.mailchimp import MailchimpClient

from target_mailchimp.audience.audience import Audience
from target_mailchimp.audience.directory import AudienceDirectory
from target_mailchimp.audit.quality import Quality
from target_mailchimp.first_load.limits import Limits
from target_mailchimp.first_load.people import People
from target_mailchimp.loading.matrix import note_audiences, take_counted
from target_mailchimp.loading.pipeline import Loader
from target_mailchimp.loading.purchases import PurchaseBook
from target_mailchimp.loading.review import Review
from target_mailchimp.planning.membership import Membership
from target_mailchimp.planning.trial import Trial
from target_mailchimp.reconcile.comparison import Comparison
from target_mailchimp.reconcile.live_membership import LiveMembership
from target_mailchimp.settings import LoadSettings
from target_mailchimp.writing.writer import DryRunWriter, MailchimpWriter, Writer


class Assembly:
    """Builds what a run works with."""

    def __init__(self, client: MailchimpClient, settings: LoadSettings) -> None:
        self._client = client
        self._settings = settings
        self.directory = AudienceDirectory(
            client,
            create_merge_fields=settings.create_merge_fields and not settings.reconcile,
            dry_run=settings.dry_run,
            address_placeholder=settings.address_placeholder,
        )

    @cached_property
    def writer(self) -> Writer:
        """Carries out writes."""
        if self._settings.dry_run:
            return DryRunWriter()
        return MailchimpWriter(
            self._client,
            skip_merge_validation=self._settings.skip_merge_validation,
            keep_payloads=self._settings.keep_payloads,
        )

    def loader(self, trail: AuditTrail, run: Run) -> Loader:
        """The loader of all streams."""
        client, settings = self._client, self._settings
        quality, review = Quality(trail, settings), self._review(trail, run)
        trial = Trial(trail) if settings.dry_run else None

        def membership_of(audience: Audience) -> Membership:
            if isinstance(review, Comparison) and trial:
                return LiveMembership(client, trial, audience.id, review.snapshot)

            def save(ledger: LedgerChanges) -> None:
                run.record([], ledger=quality.with_states(audience.id, ledger))

            return Membership(
                client,
                trial.ledger if trial else trail.ledger,
                save,
                audience.id,
                note=trial.add if trial else save,
                looks_at_all=settings.repair,
                owned_tags=settings.owned_tags,
                replayed=lambda: replayed_sources(trail, run.plugin),
            )

        return Loader(
            settings, self.directory, membership_of, self.writer, run, quality, review=review, trial=trial
        )

    def _review(self, trail: AuditTrail, run: Run) -> Review:
        settings = self._settings
        if settings.reconcile:
            return Comparison(settings, run)
        if not settings.is_limited:
            return Review()
        plan = None
        if settings.approved_plan and not settings.dry_run:
            hours = settings.plan_valid_hours
            plan = ApprovedPlan.require(trail, settings.approved_plan, plugin=run.plugin, valid_hours=hours)
        return Limits(People(settings.only, settings.first), plan, run.id)

    def begin(self, loader: Loader, trail: AuditTrail, run: Run) -> None:
        """Do what comes before the first record, where companies feed audiences.

        Raises:
            ConfigurationError: The account does not have one of the audiences.
        """
        names = self.directory.names(self._settings.fed_audiences)
        if not (self._settings.reconcile or self._settings.is_limited or CORRELATION_VARIABLE in os.environ):
            note_audiences(names, loader, trail, self._settings)
            take_counted(loader, trail, run, self._settings)

    def purchases(self, loader: Loader, trail: AuditTrail, run: Run) -> PurchaseBook:
        """The purchases of all streams, which the loader tells members of."""
        return PurchaseBook(self._settings, self.directory, loader, trail, run, lambda: utc_now().date())

    def check_connection(self) -> Iterator[Finding | str]:
        """Try what a run needs: one readable line for each thing that works.

        Raises:
            ConnectorError: In words, what does not work and what to do.
        """
        settings = self._settings
        server_time = self._client.server_time()
        account = self._client.account()
        yield f"Mailchimp answers: account {account['account_name']}, role {account['role']}."
        yield clock_finding("Mailchimp", server_time)
        if settings.fed_audiences:
            self.directory.names(settings.fed_audiences)
        if not settings.named_audiences:
            raise ConfigurationError(
                "Setting `list_id` is empty, so that no audience is named.",
                advice="Set it to the id or the name of an audience of this account: "
                f"{self.directory.listed()}.",
            )
        for audience in map(self.directory.get, sorted(settings.named_audiences)):
            opt_in = "double" if audience.double_optin else "single"
            fields = len(audience.fields)
            yield f"Audience {audience.name} ({audience.id}): {fields} merge fields, {opt_in} opt-in."
            unknown = sorted(settings.two_way_fields - audience.fields.keys())
            if unknown and not settings.create_merge_fields:
                raise ConfigurationError(
                    f"`two_way_fields` names {unknown[0]}, which audience {audience.name} does not have.",
                    advice="Correct its tag, make the merge field, or set `create_merge_fields`.",
                )
