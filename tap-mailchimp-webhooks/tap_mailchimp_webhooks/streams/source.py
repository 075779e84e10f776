"""Leads the streams of a run to what they read: the inbox, and the account at Mailchimp."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from kinetic_mailchimp.kit.errors import ConfigurationError, ConnectorError
from kinetic_mailchimp.kit.settings.declaration import read
from kinetic_mailchimp.mailchimp import MailchimpClient, MailchimpSettings

from tap_mailchimp_webhooks.settings import TapSettings
from tap_mailchimp_webhooks.streams.run_end import RunEnd

# What works with the inbox is imported where it is used: `--about` and `--help` go without a database.
if TYPE_CHECKING:
    from tap_mailchimp_webhooks.catch_up.poller import CatchUp
    from tap_mailchimp_webhooks.inbox.store import Inbox, StoredEvent
    from tap_mailchimp_webhooks.streams.confirmation import Confirmer
    from tap_mailchimp_webhooks.streams.event_reader import EventReader


class EventSource:
    """The inbox and the account of one run, and the catch-up before its events.

    Args:
        config: Of the tap.
        logger: Of the tap.
        end: Ends the run when a signal asks for it.
    """

    def __init__(self, config: Mapping[str, Any], logger: logging.Logger, end: RunEnd) -> None:
        self.settings = read(TapSettings, config)
        self.end = end
        self._config = config
        self._logger = logger
        self._catch_up_failure: ConnectorError | None = None

    @cached_property
    def inbox(self) -> Inbox:
        """The inbox, opened when it is first needed, and closed with the tap."""
        from tap_mailchimp_webhooks.inbox.database import default_url  # noqa: PLC0415 (as above)
        from tap_mailchimp_webhooks.inbox.store import Inbox  # noqa: PLC0415 (as above)

        inbox = Inbox.open(self.settings.inbox_database_url or default_url())
        # The SDK's ways to run (a sync, a test, one stream) are final: none has an end to add to.
        weakref.finalize(self, inbox.database.close)
        return inbox

    @cached_property
    def client(self) -> MailchimpClient | None:
        """A client for the account; None without credentials."""
        if not (self._config.get("api_key") or self._config.get("access_token")):
            return None
        return MailchimpClient(MailchimpSettings.from_config(self._config), sleep=self.end.pause)

    def client_for(self, stream: str, *, is_tried_only: bool) -> MailchimpClient | None:
        """The client for a stream that needs one; None where the stream is only tried out without.

        Raises:
            ConfigurationError: There are no credentials.
        """
        if self.client is None and not is_tried_only:
            raise ConfigurationError(
                f"The stream `{stream}` is selected, and there are no credentials for Mailchimp.",
                advice="Set `api_key` or `access_token`, or deselect the stream.",
            )
        return self.client

    def audiences(self, client: MailchimpClient) -> Sequence[str]:
        """The ids of the audiences to read: all of the account where none is named."""
        return self.settings.list_ids or [str(found["id"]) for found in client.lists()]

    def reader(self, stream: str, after: int, inbox_id: str | None) -> EventReader:
        """Read a stream of events after a bookmark."""
        from tap_mailchimp_webhooks.streams.event_reader import EventReader  # noqa: PLC0415 (as above)

        return EventReader(
            self.inbox,
            stream,
            self.end.stop,
            reader=self.settings.reader,
            after=after,
            list_ids=self.settings.list_ids,
            inbox_id=inbox_id,
        )

    @property
    def follow_seconds(self) -> float | None:
        """Seconds to stay for further events: 0 to end after those that are there, None without an end."""
        return self.settings.follow_max_seconds if self.settings.follow else 0

    def before_events(self) -> None:
        """Get events into the inbox that no webhook reported."""
        # A failure must not keep the events waiting that are there: it ends the run after them.
        catch_up = self._catch_up()
        if catch_up is None:
            return
        if self.settings.follow:
            from tap_mailchimp_webhooks.catch_up.scheduler import PeriodicCatchUp  # noqa: PLC0415 (as above)

            PeriodicCatchUp(catch_up, self.settings.catch_up_interval, self.end.stop).start()
            return
        try:
            with self.end.interruptible():
                catch_up.run()
        except Exception as error:  # noqa: BLE001 (whatever it is, the events must go out)
            self._logger.warning("The catch-up failed; the events that are there go out first.")
            reason = f"The catch-up failed with an unexpected {type(error).__name__}."
            unexpected = ConnectorError(reason, advice="It is repeated with the next run.")
            self._catch_up_failure = error if isinstance(error, ConnectorError) else unexpected

    def confirmed(self, batch: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """The events of a batch that can be emitted, those of unsigned deliveries confirmed or refuted."""
        if self._confirmer is not None:
            return self._confirmer.confirm(batch)
        from tap_mailchimp_webhooks.streams.confirmation import needs_confirmation  # noqa: PLC0415 (as above)

        if self.settings.confirm_unsigned and any(map(needs_confirmation, batch)):
            self._logger.warning(
                "Unsigned events go out unconfirmed: neither `api_key` nor `access_token` is set."
            )
        return batch

    def after_batch(self) -> None:
        """End the run where that is due now that a batch was written, its state included."""
        if not self.settings.follow:
            self.end.exit_if_asked()
            return
        # The events that wait for Mailchimp's answer come next: they would come again and again.
        self._end_if_unconfirmed()

    def after_events(self) -> None:
        """Tell what went wrong before and among the events, now that they are out.

        Raises:
            ConnectorError: The catch-up failed, or Mailchimp did not answer about an event.
        """
        if not self.settings.follow:
            self.end.exit_if_asked()
        if self._catch_up_failure is not None:
            raise self._catch_up_failure
        self._end_if_unconfirmed()

    def _end_if_unconfirmed(self) -> None:
        if self._confirmer is not None and self._confirmer.failure is not None:
            raise self._confirmer.failure

    @cached_property
    def _confirmer(self) -> Confirmer | None:
        if not self.settings.confirm_unsigned or self.client is None:
            return None
        from tap_mailchimp_webhooks.streams.confirmation import Confirmer  # noqa: PLC0415 (as above)

        return Confirmer(self.client, self.inbox)

    def _catch_up(self) -> CatchUp | None:
        settings = self.settings
        if not settings.catch_up:
            return None
        if self.client is None:
            self._logger.warning("No catch-up: neither `api_key` nor `access_token` is set.")
            return None
        from tap_mailchimp_webhooks.catch_up.poller import CatchUp, CatchUpSettings  # noqa: PLC0415 (as above)

        is_wide = settings.catch_up_scope == "all_changes"
        scope = CatchUpSettings(settings.list_ids, is_wide, settings.backfill)
        return CatchUp(self.client, self.inbox, scope)
