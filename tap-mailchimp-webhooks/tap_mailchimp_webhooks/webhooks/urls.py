"""URLs of webhooks: the one to register, and any of them in a form that is fit for a log."""

from __future__ import annotations

import logging
from urllib.parse import urlsplit, urlunsplit

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.web_url import IN_CLEAR, split_url, travels_in_clear, web_url
from kinetic_mailchimp.kit.redaction.masker import MASK
from kinetic_mailchimp.kit.redaction.plain_text import plain

logger = logging.getLogger(__name__)

PATH = "/webhooks/mailchimp"


def public_url(receiver_url: str, secret: str) -> str:
    """The URL to register: the public one of the receiver, and the path that ends in the secret.

    Args:
        receiver_url: With or without a prefix, a trailing slash or the path of webhooks.
        secret: The current path secret.

    Raises:
        ConfigurationError: It is not the URL of a receiver.
    """
    parts = urlsplit(web_url(receiver_url, "--url"))
    if parts.query or parts.fragment:
        raise ConfigurationError(
            "`--url` is not the URL of a receiver.",
            advice="It looks like https://hooks.example.com or https://example.com/prefix, without a query.",
        )
    if travels_in_clear(receiver_url):
        logger.warning("`--url` %s", IN_CLEAR)
    prefix = parts.path.partition(PATH)[0].rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, f"{prefix}{PATH}/{secret}", "", ""))


def mask_url(url: str) -> str:
    """A URL without a login and a query. Masked are our path secret, and the whole path of a webhook that is
    not ours, since any part of that could be secret.
    """
    parts = split_url(plain(url))
    if parts is None:
        return MASK
    before, ours, _ = parts.path.partition(f"{PATH}/")
    path = f"{before if ours else ''}{ours or '/'}{MASK}" if parts.path.strip("/") else parts.path
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], path, "", ""))
