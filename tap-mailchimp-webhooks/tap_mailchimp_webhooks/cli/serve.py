"""`mailchimp-webhooks serve`: the receiver as a process."""

from __future__ import annotations

import gc
import ssl
from dataclasses import dataclass
from typing import Any

import click
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.settings.declaration import read

from tap_mailchimp_webhooks.cli.options import PREFIX, open_inbox, options_of
from tap_mailchimp_webhooks.inbox.settings import InboxSettings
from tap_mailchimp_webhooks.receiver.settings import ReceiverSettings


@dataclass(frozen=True)
class ServeOptions(ReceiverSettings, InboxSettings):
    """A receiver and its inbox."""


def _check_tls(settings: ServeOptions) -> None:
    """Read the files of the certificate, as the server is about to.

    Raises:
        ConfigurationError: They cannot be used.
    """
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except OSError as error:  # SSLError is one
        raise ConfigurationError(
            f"`tls_certificate` and `tls_key` cannot be used: {error.strerror or error}.",
            advice="Name PEM files that this user may read: the certificate with its chain, and its key "
            "without a password.",
        ) from error


@click.command()
@options_of(ServeOptions)
def serve(**options: Any) -> None:  # noqa: ANN401 (click's)
    """Receive webhooks: store each, then answer."""
    # The web server is imported where it is needed: the other commands start faster without.
    from kinetic_mailchimp.kit.server import bounded_server  # noqa: PLC0415

    from tap_mailchimp_webhooks.receiver.app import create_app, limits_of  # noqa: PLC0415

    settings = read(ServeOptions, options)
    if settings.tls_certificate:
        _check_tls(settings)
    inbox = open_inbox(settings)
    app = create_app(settings, inbox)
    # What is loaded by now stays: without this, the collector walks all of it again and again, and each
    # time deliveries wait for some 50 ms.
    gc.collect()
    gc.freeze()
    bounded_server.serve(
        app,
        limits_of(settings),
        prefix=PREFIX,
        ssl_certfile=settings.tls_certificate or None,
        ssl_keyfile=settings.tls_key or None,
        host=settings.host,
        port=settings.port,
        forwarded_allow_ips=settings.forwarded_allow_ips,
        timeout_graceful_shutdown=20,
    )
