"""The settings of a receiver, which are also the options of `mailchimp-webhooks serve`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.web_url import is_loopback
from kinetic_mailchimp.kit.secrets.private_files import warn_if_shared
from kinetic_mailchimp.kit.settings.declaration import setting

from tap_mailchimp_webhooks.webhooks.path_secret import PathSecretSettings
from tap_mailchimp_webhooks.webhooks.signature import MAX_AGE_SECONDS


@dataclass(frozen=True)
class ReceiverSettings(PathSecretSettings):
    """The behaviour of one receiver."""

    host: str = setting("127.0.0.1", description="The address to listen on.")
    port: int = setting(8080, description="The port to listen on.", minimum=0, maximum=65535)
    behind_proxy: bool = setting(
        default=False,
        description="Listen on another address than this machine's own without TLS: a proxy with HTTPS "
        "stands in front, and nothing else reaches the port.",
    )
    tls_certificate: str = setting(
        "",
        description="PEM file with the certificate and its chain, to serve HTTPS.",
    )
    tls_key: str = setting("", description="PEM file with the key of the certificate.")
    max_connections: int = setting(500, description="Connections that are open at once, in all.", minimum=1)
    max_connections_per_client: int = setting(
        50,
        description="Connections that one address has open at once; trusted proxies may have all of them.",
        minimum=1,
    )
    root_path: str = setting("", description="The prefix under which a proxy publishes the receiver.")
    forwarded_allow_ips: str = setting(
        "127.0.0.1,::1",
        description="Proxies that are trusted to name the address of a client: addresses, networks, or `*`.",
    )
    signature_max_age: int = setting(
        MAX_AGE_SECONDS,
        description="Seconds that a signature may be old; Mailchimp repeats deliveries for 75 minutes.",
        minimum=1,
    )
    max_body_bytes: int = setting(1_048_576, description="Refuse a longer delivery, with status 413.")
    retention_days: int = setting(
        400,
        description="Delete events that every reader has confirmed after so many days; 0 keeps them.",
    )
    min_free_mib: int = setting(100, description="MiB of free disk space under which `/readyz` fails.")
    wrong_secrets_per_minute: int = setting(
        0,
        description="Refuse a client that sends more wrong secrets for a minute; 0 for no limit.",
    )
    on_event: str = setting(
        "",
        description='A command to run after new events, such as "meltano run reverse".',
    )
    on_event_delay: float = setting(2.0, description="Seconds to wait for more events before it runs.")

    def __post_init__(self) -> None:
        """Refuse to show secrets and addresses to everybody on the way."""
        super().__post_init__()
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ConfigurationError(
                "`tls_certificate` and `tls_key` belong together, and one is missing.",
                advice="Set both, or neither and `behind_proxy`.",
            )
        if self.tls_key:
            warn_if_shared(Path(self.tls_key))
        if not (self.behind_proxy or self.tls_certificate or is_loopback(self.host)):
            raise ConfigurationError(
                f"The receiver would listen on {self.host} without TLS: the path secret and people's "
                "addresses would travel in clear.",
                advice="Say `--behind-proxy` if a proxy with HTTPS stands in front, or name the files of "
                "`--tls-certificate` and `--tls-key`.",
            )

    @property
    def min_free_bytes(self) -> int:
        """Free disk space under which `/readyz` fails."""
        return self.min_free_mib * 1_048_576
