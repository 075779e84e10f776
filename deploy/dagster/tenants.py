"""Tenants: who is synchronised, with which accounts, how often, and the environment of their processes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
PROJECT = Path(os.environ.get("CONNECTOR_PROJECT", HERE.parents[1])).resolve()
"""The checkout: meltano.yml, and the programs in .venv."""

FILE = Path(os.environ.get("CONNECTOR_TENANTS", HERE / "tenants.yaml"))
WORK = Path(os.environ.get("CONNECTOR_TENANTS_WORK", PROJECT / ".meltano" / "tenants"))
"""A folder per tenant for Meltano's catalogs and logs: runs of two tenants must not share them."""

_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ")
_KEYS = {"id", "epicor", "mailchimp", "receiver_url", "schedules", "fresh_hours", "environment"}


class TenantsError(Exception):
    """The file of tenants, or a secret that it refers to, cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """One pair of an Epicor instance and an audience.

    Attributes:
        id: Its name, in tags and as the suffix of Meltano's states.
        epicor: The Epicor instance; tenants of one share its licence seats.
        mailchimp: The Mailchimp account; tenants of one share its ten connections.
        receiver_url: Its receiver of webhooks, which the sensor asks for unread events.
        schedules: Job → cron expression.
        fresh_hours: Job → hours after which its last success is too old.
        environment: Variable → value, or a reference to a secret, which only a run resolves.
    """

    id: str
    epicor: str
    mailchimp: str
    receiver_url: str = ""
    schedules: Mapping[str, str] = field(default_factory=dict)
    fresh_hours: Mapping[str, float] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def variables(self) -> dict[str, str]:
        """The environment of the tenant's processes: its own variables, and nobody else's.

        Raises:
            TenantsError: A secret is not there.
        """
        own = {name: self._value(name, value) for name, value in self.environment.items()}
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return inherited | {"CONNECTOR_ENV_FILE": os.devnull, "NO_COLOR": "1"} | own

    def _value(self, name: str, value: object) -> str:
        where = f"{FILE}: `{name}` of tenant `{self.id}`"
        match value:
            case {"variable": str(variable)}:
                if variable not in os.environ:
                    raise TenantsError(f"{where}: the variable {variable} is not set. Set it for the worker.")
                return os.environ[variable]
            case {"file": str(path)}:
                try:
                    return Path(path.format(tenant=self.id)).read_text(encoding="utf-8").strip()
                except OSError as error:
                    raise TenantsError(f"{where}: {error}. Mount the secret into the worker.") from error
            case str() | int() | float():
                return str(value).format(tenant=self.id)
        raise TenantsError(f"{where} is not a value. Write a text, {{variable: NAME}} or {{file: PATH}}.")


def read_tenants(file: Path = FILE) -> dict[str, Tenant]:
    """Read all tenants, by id; what they do not say themselves stands under `defaults`.

    Raises:
        TenantsError: The file is not there, or a tenant lacks a key or has an unknown one.
    """
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise TenantsError(f"{error}. Copy tenants.example.yaml, or set CONNECTOR_TENANTS.") from error
    except yaml.YAMLError as error:
        raise TenantsError(f"{file} is not valid YAML: {error}") from error
    defaults = document.get("defaults", {})
    found: dict[str, Tenant] = {}
    for entry in document.get("tenants", []):
        merged = {**defaults, **entry}
        for name in ("schedules", "fresh_hours", "environment"):
            merged[name] = {**defaults.get(name, {}), **entry.get(name, {})}
        who = f"{file}: tenant `{entry.get('id', '?')}`"
        if unknown := merged.keys() - _KEYS:
            raise TenantsError(f"{who}: unknown {sorted(unknown)}. Known: {sorted(_KEYS)}.")
        if missing := {"id", "epicor", "mailchimp"} - merged.keys():
            raise TenantsError(f"{who}: {sorted(missing)} missing.")
        if merged["id"] in found:
            raise TenantsError(f"{who} is there twice. Its state would be shared: give each its own id.")
        merged["receiver_url"] = merged.get("receiver_url", "").format(tenant=merged["id"])
        found[merged["id"]] = Tenant(**merged)
    return found
