"""URLs of servers in settings: without a login, and not in clear over a network."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from kinetic_mailchimp.kit.errors import ConfigurationError

IN_CLEAR = "is not https: secrets and people's data travel in clear."


def web_url(text: str, setting: str) -> str:
    """The URL of a server as a setting has it, without spaces around it.

    Raises:
        ConfigurationError: It is not an http(s) URL, or it holds a login, which logs and proxies would show.
    """
    url = text.strip()
    parts = split_url(url)
    if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"`{setting}` is not a valid web address.",
            advice="It begins with https:// and a host.",
        )
    if "@" in parts.netloc:
        raise ConfigurationError(
            f"`{setting}` holds a login before the host.",
            advice="Leave it out: credentials have settings of their own, which logs do not show.",
        )
    return url


def split_url(url: str) -> SplitResult | None:
    """The parts of a URL; None where it is not one, such as `http://[`."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 (checks)
    except ValueError:
        return None
    return parts


def check_is_local(url: str) -> None:
    """Make sure that a server is on this machine, as `local_servers_only` wants it.

    Raises:
        ConfigurationError: It is not.
    """
    parts = split_url(url)
    host = (parts and parts.hostname) or url
    if not is_loopback(host):
        raise ConfigurationError(
            f"{host} is a real system, and `local_servers_only` lets nothing be written but to simulators.",
            advice="Run with --environment=prod, or set `local_servers_only` to false.",
        )


def is_loopback(host: str) -> bool:
    """True for an address that only this machine reaches."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def travels_in_clear(url: str) -> bool:
    """Tell whether what is sent to a URL can be read on the way."""
    parts = split_url(url)
    return parts is not None and parts.scheme == "http" and not is_loopback(parts.hostname or "")
