"""Tells trusted proxies, each of which stands for many clients, from clients."""

from __future__ import annotations

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network


class Proxies:
    """Addresses and networks of proxies, in the form that uvicorn takes them in `forwarded_allow_ips`.

    Args:
        text: Separated by commas: addresses, networks (`10.0.0.0/8`), or `*` for everybody.
    """

    def __init__(self, text: str) -> None:
        self._names = frozenset(name.strip() for name in text.split(","))

    def __contains__(self, client: object) -> bool:
        """Tell whether a client is one of the proxies."""
        if client in self._names or self._names == {"*"}:
            return True
        try:
            address = ip_address(str(client))
        except ValueError:
            return False
        return any(address in network for network in self._networks)

    @cached_property
    def _networks(self) -> list[IPv4Network | IPv6Network]:
        found = []
        for name in self._names:
            try:
                found.append(ip_network(name))
            except ValueError:  # uvicorn takes it for the name of a client
                continue
        return found
