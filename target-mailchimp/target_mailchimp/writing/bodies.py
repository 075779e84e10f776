"""The bodies of the calls that write members."""

from __future__ import annotations

from typing import Any

from target_mailchimp.audience.member_values import member_body
from target_mailchimp.rules.plan import Write


def batch_item(write: Write) -> dict[str, Any]:
    """A member of a batch."""
    item = {"email_address": write.record.address, **member_body(write.values)}
    item["status_if_new"] = write.new_status
    return item | _status(write)


def single_body(write: Write) -> dict[str, Any]:
    """A member in a call of its own, where tags have another."""
    body = member_body({name: value for name, value in write.values.items() if name != "tags"})
    return body | _status(write)


def address_body(write: Write) -> dict[str, Any]:
    """The same with the address, which makes or moves a member."""
    return {**single_body(write), "email_address": write.record.address}


def _status(write: Write) -> dict[str, Any]:
    return {"status": "unsubscribed"} if write.lower else {}
