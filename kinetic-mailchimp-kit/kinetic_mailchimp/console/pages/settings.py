"""What the pages are started with, and what they refuse to start with."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final
from urllib.parse import SplitResult, urlsplit

from kinetic_mailchimp.kit.errors import ConfigurationError

SHORTEST_TOKEN: Final = 20
_HOW_TO_MAKE_ONE: Final = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe())"'
_LOCAL_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True)
class PagesSettings:
    """How the pages are served, and who may see them.

    Args:
        token: What a person types to log in; empty if a proxy logs people in.
        user_header: The header in which a proxy names the person it has logged in; empty without one.
        trusted_proxies: Addresses or networks of proxies whose headers are believed.
        public_url: Under which address people reach the pages, with its prefix; empty for this machine alone.
        host: Where the server listens.
        receiver_url: Where the receiver of webhooks answers `/readyz`; empty where there is none to watch.
        replay_commands: Target → the command that starts it. Only these have a button.
        wrong_tokens_per_minute: So many wrong tokens a client may send in a minute.

    Raises:
        ConfigurationError: If nobody could log in, or if anybody could.
    """

    token: str = field(default="", repr=False)
    user_header: str = ""
    trusted_proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    public_url: str = ""
    host: str = "127.0.0.1"
    receiver_url: str = ""
    replay_commands: Mapping[str, str] = field(default_factory=dict)
    wrong_tokens_per_minute: int = 5

    def __post_init__(self) -> None:
        """Refuse what is not safe."""
        if not self.token and not self.user_header:
            raise ConfigurationError(
                "The pages show people's data, and nobody is asked to log in.",
                advice=f"Set AUDIT_PAGES_TOKEN, or --user-header if a proxy logs in. {_HOW_TO_MAKE_ONE}",
            )
        if self.token and len(self.token) < SHORTEST_TOKEN:
            raise ConfigurationError(
                f"AUDIT_PAGES_TOKEN is shorter than {SHORTEST_TOKEN} characters and could be guessed.",
                advice=_HOW_TO_MAKE_ONE,
            )
        if self.host not in _LOCAL_NAMES and not self.public_url:
            raise ConfigurationError(
                f"--host {self.host} opens the pages to other machines, under an address that is not set.",
                advice="Set --public-url to the address at which a reverse proxy with TLS publishes them.",
            )
        if self.public_url and (self._public.scheme not in ("http", "https") or not self._public.hostname):
            raise ConfigurationError(
                f"--public-url {self.public_url!r} is not an address.",
                advice="Write it whole, such as https://audit.example.com or https://example.com/audit.",
            )
        _ = self._networks  # so that a mistyped address is told at the start

    @property
    def _public(self) -> SplitResult:
        return urlsplit(self.public_url)

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the pages over TLS."""
        return self._public.scheme == "https"

    @property
    def root(self) -> str:
        """The prefix of every path, such as `/audit`; empty without one."""
        return self._public.path.rstrip("/")

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The names under which the pages answer. Any other name may be a web page that plays this server."""
        named = {self._public.hostname} if self._public.hostname else set()
        return _LOCAL_NAMES | named

    @cached_property
    def _networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        try:
            return tuple(ipaddress.ip_network(text) for text in self.trusted_proxies)
        except ValueError as error:
            raise ConfigurationError(
                f"--trusted-proxy is not an address: {error}.", advice="Write 10.0.0.5 or 10.0.0.0/24."
            ) from error

    def trusts(self, peer: str) -> bool:
        """Whether the headers of who is connected are believed."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)
