"""The stream `opt_outs`: all members who are opted out at present, for a comparison with another system.

Nothing that is known of events comes in: neither the inbox nor a bookmark is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from kinetic_mailchimp.kit.parsing.timestamps import utc_now
from kinetic_mailchimp.mailchimp import MailchimpClient, member_key
from singer_sdk import typing as th
from singer_sdk.helpers.types import Context, Record
from typing_extensions import override

from tap_mailchimp_webhooks.events.event import event_id_of, rfc3339
from tap_mailchimp_webhooks.events.member_status import CLEANED, EVENT_OF, UNSUBSCRIBED, has_address, time_in
from tap_mailchimp_webhooks.streams.base import TapStream, texts, timestamps

OPT_OUTS = "opt_outs"
LISTED = (UNSUBSCRIBED, CLEANED)
"""Archived members have opted out of nothing, and are not among them."""

FIELDS = ("id", "email_address", "status", "unsubscribe_reason", "last_changed")


class OptOutsStream(TapStream):
    """Members who are unsubscribed or cleaned. It is read only where it is selected."""

    name = OPT_OUTS
    primary_keys: ClassVar[Sequence[str]] = ("event_id",)
    selected_by_default = False
    schema: ClassVar[dict[str, Any]] = th.PropertiesList(
        th.Property(
            "event_id", th.StringType, required=True, description="A digest of the member and this state."
        ),
        th.Property(
            "type",
            th.StringType,
            allowed_values=["unsubscribe", "cleaned"],
            description="The contact event that leads to this state.",
        ),
        *texts(reason="`manual` or `hard`.", email="The address.", list_id="The audience."),
        *timestamps(occurred_at="The last change of the member, in UTC."),
        *texts(unsubscribe_reason="The reason that the person gave when leaving."),
    ).to_dict()

    @override
    def get_records(self, context: Context | None) -> Iterable[Record]:
        version = self._stream_version = self._initialized_at // 1000
        source = self.source
        client = source.client_for(self.name, is_tried_only=self.is_tried_only)
        if client is not None:
            # Half of a listing must not pass for a whole one: a signal ends it with a status that shows it.
            source.end.exit_if_asked()
            for record in present_opt_outs(client, source.audiences(client)):
                yield record
                source.end.exit_if_asked()
        if not self.is_tried_only:
            # After the last record: a member that has not come by now is not opted out.
            self._write_activate_version_message(version)


def present_opt_outs(client: MailchimpClient, list_ids: Iterable[str]) -> Iterator[dict[str, Any]]:
    """One record for each member of the audiences who is unsubscribed or cleaned, a page at a time.

    Raises:
        ConnectorError: An audience could not be read to its end: the records so far are not all.
    """
    for list_id in list_ids:
        for status in LISTED:
            for member in client.members(list_id, fields=FIELDS, status=status):
                if has_address(member):
                    yield opt_out_record(member, list_id)


def opt_out_record(member: Mapping[str, Any], list_id: str) -> dict[str, Any]:
    """The record of a member, in the shape of the contact event that leads to its status."""
    event_type, details = EVENT_OF[member["status"]]
    changed = str(member.get("last_changed") or "")
    state = {"list_id": list_id, "member": member_key(member), "status": member["status"], "at": changed}
    return {
        "event_id": event_id_of({"origin": OPT_OUTS, **state}),
        "type": event_type,
        "reason": details["reason"],
        "email": member["email_address"],
        "list_id": list_id,
        # Without a valid time, the present one: the opt-out holds then.
        "occurred_at": rfc3339(time_in(member, "last_changed") or utc_now()),
        "unsubscribe_reason": member.get("unsubscribe_reason") or None,
    }
