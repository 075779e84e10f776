"""Settings of the pages, and the combinations of them that are refused."""

from __future__ import annotations

import ipaddress
import logging
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from shutil import which
from typing import Final
from urllib.parse import SplitResult, urlsplit

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.http.web_url import IN_CLEAR, is_loopback, travels_in_clear, web_url
from kinetic_mailchimp.kit.settings.declaration import setting

logger = logging.getLogger(__name__)

SHORTEST_TOKEN: Final = 20
_HOW_TO_MAKE_ONE: Final = 'Make one with: python -c "import secrets; print(secrets.token_urlsafe())"'
_LOCAL_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def parse_replay_commands(values: Sequence[str]) -> dict[str, str]:
    """Target → command, from texts such as `target-mailchimp=meltano invoke target-mailchimp`.

    Raises:
        ValueError: A text has another form, or its program is not found.
    """
    commands = {}
    for value in values:
        plugin, equals, command = value.partition("=")
        if not (plugin and equals and command):
            raise ValueError(f"{value!r} is not PLUGIN=COMMAND")
        program = next(iter(_split(command)), "")
        if which(program) is None:
            raise ValueError(
                f"{program!r}, which shall start {plugin}, is not found. Write its whole path: a service has "
                "another PATH than a shell"
            )
        commands[plugin] = command
    return commands


def _to_command(command: str) -> str:
    if command and which(next(iter(_split(command)), "")) is None:
        raise ConfigurationError(
            "The program of --preview is not found.",
            advice="Write its whole path: a service has another PATH than a shell.",
        )
    return command


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return []


@dataclass(frozen=True)
class PagesSettings:
    """Settings of `sync-audit serve`.

    Args:
        replay_commands: Target → the command that starts it. Only these have a button.
        wrong_tokens_per_minute: The number of wrong tokens that a client may send in a minute.

    Raises:
        ConfigurationError: If nobody could log in, or if anybody could.
    """

    token: str = setting(
        "",
        secret=True,
        description="The password of the login. Set the variable: arguments are visible to others.",
    )
    user_header: str = setting(
        "",
        description="The header in which a reverse proxy names who is logged in, such as X-Forwarded-User.",
    )
    trusted_proxies: tuple[str, ...] = setting(
        ("127.0.0.1", "::1"),
        description="An IP address or network whose headers are believed; may be given several times.",
    )
    public_url: str = setting(
        "",
        description="The address of the pages for people: https://audit.example.com, or with a prefix.",
    )
    host: str = setting("127.0.0.1", description="Address to listen on.")
    port: int = setting(8090, description="Port to listen on.", minimum=0, maximum=65535)
    receiver_url: str = setting(
        "",
        description="The receiver of webhooks, to show its health: http://127.0.0.1:8080.",
        parse=partial(web_url, setting="--receiver-url"),
    )
    preview: str = setting(
        "",
        description='The command that makes previews of a mapping for the pages: "sync-audit preview".',
        parse=_to_command,
    )
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
        if not is_loopback(self.host) and not self.public_url:
            raise ConfigurationError(
                f"--host {self.host} opens the pages to other machines, under a URL that is not set.",
                advice="Set --public-url to the URL at which a reverse proxy with TLS publishes them.",
            )
        if self.public_url:
            web_url(self.public_url, "--public-url")
            if travels_in_clear(self.public_url):
                logger.warning("`--public-url` %s", IN_CLEAR)
        _ = self._networks  # so that a mistyped address is an error at the start

    @property
    def _public(self) -> SplitResult:
        return urlsplit(self.public_url.strip())

    @property
    def is_https(self) -> bool:
        """True if browsers reach the pages over TLS."""
        return self._public.scheme == "https"

    @property
    def root(self) -> str:
        """The prefix of every path, such as `/audit`; empty without one."""
        return self._public.path.rstrip("/")

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The host names of the pages. Any other name may be a web page that plays this server."""
        named = {self._public.hostname} if self._public.hostname else set()
        return _LOCAL_NAMES | named

    @cached_property
    def _networks(self) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        try:
            return tuple(ipaddress.ip_network(text) for text in self.trusted_proxies)
        except ValueError as error:
            raise ConfigurationError(
                f"--trusted-proxy is not a valid IP address or network: {error}.",
                advice="Write 10.0.0.5 or 10.0.0.0/24.",
            ) from error

    def trusts(self, peer: str) -> bool:
        """True if the headers of the peer with an IP address are believed."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    def client(self, peer: str, headers: Mapping[str, str]) -> str:
        """The IP address that wrong tokens are counted for: the peer's, or one that a trusted proxy names.

        Args:
            peer: The IP address at the other end of the connection.
            headers: Those of the request, in small letters.
        """
        forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
        return forwarded if forwarded and self.public_url and self.trusts(peer) else peer
