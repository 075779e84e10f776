"""Client of the Mailchimp Marketing API: identity, data centre, lists, members, webhooks, errors."""

from kinetic_mailchimp.mailchimp.client import MailchimpClient
from kinetic_mailchimp.mailchimp.member import CONSENT_FACTS, consent_facts, member_key, subscriber_hash
from kinetic_mailchimp.mailchimp.refusals import PERSON_LEFT, FieldError, Refusal, RefusedError
from kinetic_mailchimp.mailchimp.results import BatchResult, ItemResult
from kinetic_mailchimp.mailchimp.settings import MAILCHIMP_SETTINGS, MailchimpSettings

__all__ = [
    "CONSENT_FACTS",
    "MAILCHIMP_SETTINGS",
    "PERSON_LEFT",
    "BatchResult",
    "FieldError",
    "ItemResult",
    "MailchimpClient",
    "MailchimpSettings",
    "Refusal",
    "RefusedError",
    "consent_facts",
    "member_key",
    "subscriber_hash",
]
