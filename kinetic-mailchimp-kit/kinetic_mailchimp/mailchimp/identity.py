"""The identity of the caller, and the key by which Mailchimp names a person."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from kinetic_mailchimp.kit.http.authorization import Authorization, FixedAuthorization, basic_login
from kinetic_mailchimp.kit.parsing.email_address import email_key
from kinetic_mailchimp.mailchimp.settings import MailchimpSettings


@lru_cache(maxsize=10_000)
def subscriber_hash(address: str) -> str:
    """The key of a member in the paths of the API: MD5 of the lower-cased address, in hex."""
    return hashlib.md5(email_key(address).encode(), usedforsecurity=False).hexdigest()


def authorization(settings: MailchimpSettings) -> Authorization:
    """The authorization with the key or the token, whichever is set.

    Neither can be renewed: a token does not expire, so that one which is refused was revoked.
    """
    if settings.access_token:
        return FixedAuthorization({"Authorization": f"Bearer {settings.access_token}"})
    # Mailchimp ignores the user.
    return FixedAuthorization({"Authorization": basic_login("connector", settings.api_key)})
