"""Client of the Mailchimp Marketing API: identity, data centre, lists, members, webhooks, errors."""

from mailchimp_client.client import MailchimpClient
from mailchimp_client.errors import FieldError, Refusal, RefusedError
from mailchimp_client.identity import subscriber_hash
from mailchimp_client.results import BatchResult, CallResult, ItemResult, MemberResult
from mailchimp_client.settings import MAILCHIMP_SETTINGS, MailchimpSettings

__all__ = [
    "MAILCHIMP_SETTINGS",
    "BatchResult",
    "CallResult",
    "FieldError",
    "ItemResult",
    "MailchimpClient",
    "MailchimpSettings",
    "MemberResult",
    "Refusal",
    "RefusedError",
    "subscriber_hash",
]
