"""Tenants, as tenants.example.yaml explains them, and the environment of their processes."""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

PROJECT = Path(os.environ.get("CONNECTOR_PROJECT", Path(__file__).parents[2])).resolve()
FILE = Path(os.environ.get("CONNECTOR_TENANTS", Path(__file__).with_name("tenants.yaml")))
WORK = Path(os.environ.get("CONNECTOR_TENANTS_WORK", PROJECT / ".meltano" / "tenants"))
CONNECTIONS = {"epicor": 4, "mailchimp": 10}
"""Calls in flight at once for an instance or an account, over all runs: a choice, and Mailchimp's limit."""
_CALLERS = {"epicor": ("TAP_EPICOR_KINETIC", "TARGET_EPICOR_CONTACTS"), "mailchimp": ("TARGET_MAILCHIMP",)}
_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ")
_Reference = Annotated[dict[Literal["file", "variable"], str], Field(min_length=1, max_length=1)]


class TenantsError(Exception):
    """The file of tenants, or a secret that it refers to, is missing or wrong."""


class Tenant(BaseModel, frozen=True, extra="forbid", coerce_numbers_to_str=True):
    """One pair of an Epicor instance and an audience."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")
    epicor: str = Field(min_length=1)
    mailchimp: str = Field(min_length=1)
    receiver_url: Annotated[str, Field(pattern=r"^(https?://\S+)?$")] = ""
    timezone: str = "UTC"
    schedules: dict[str, str] = {}
    fresh_hours: dict[str, Annotated[float, Field(ge=0.1)]] = {}
    environment: dict[str, str | _Reference] = {}

    def variables(self, runs: dict[str, int]) -> dict[str, str]:
        """The environment of its processes, with its part of the connections of each vendor."""
        found = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        found |= {
            "MELTANO_SYS_DIR_ROOT": str(WORK / self.id),
            "CONNECTOR_ENV_FILE": os.devnull,
            "NO_COLOR": "1",
        }
        for vendor, plugins in _CALLERS.items():  # plugins that inherit from one take it over
            share = str(max(1, CONNECTIONS[vendor] // runs[vendor]))
            found |= {f"{plugin}_CONCURRENCY": share for plugin in plugins}
        for name, value in self.environment.items():
            try:
                found |= {name: value if isinstance(value, str) else _secret(**value)}
            except (LookupError, OSError, UnicodeDecodeError) as error:
                raise TenantsError(f"{FILE}: tenant `{self.id}`: {name}: {error}. Set it.") from error
        return found


def _secret(file: str = "", variable: str = "") -> str:
    found = Path(file).read_text(encoding="utf-8").strip() if file else os.environ.get(variable)
    if not found:
        raise LookupError(f"{file or f'the variable {variable}'} is not set for the worker, or empty")
    return found


class _Document(BaseModel, extra="forbid"):
    defaults: dict[str, Any] = {}
    tenants: list[dict[str, Any]]


class _Loader(yaml.CSafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002
        keys = [key.value for key, _ in node.value]
        if len(set(keys)) < len(keys):  # of two lists of tenants, YAML would take the last
            raise yaml.constructor.ConstructorError(None, None, "a key is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _filled(value: Any, tenant: str) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: _filled(part, tenant) for key, part in value.items() if part is not None}
    return value.replace("{tenant}", tenant) if isinstance(value, str) else value


def read_tenants(file: Path = FILE) -> dict[str, Tenant]:
    """Read all tenants, by id; a `TenantsError` names the entry that is not valid."""
    found: dict[str, Tenant] = {}
    where = str(file)
    try:
        document = _Document.model_validate(yaml.load(file.read_text(encoding="utf-8"), _Loader))  # noqa: S506
        for entry in document.tenants:
            where = f"{file}: tenant `{entry.get('id')}`"
            merged = document.defaults | entry
            for name, default in document.defaults.items():
                if isinstance(default, dict) and isinstance(merged[name], dict):
                    merged[name] = default | merged[name]
            tenant = Tenant.model_validate(_filled(merged, str(entry.get("id"))))
            if found.setdefault(tenant.id, tenant) is not tenant:
                raise TenantsError(
                    f"{where} is there twice, and would share its state. Give each its own id."
                )
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise TenantsError(f"{file}: {error}. Begin with tenants.example.yaml.") from error
    except ValidationError as error:  # without the values, which may be secrets
        wrong = error.errors(include_input=False, include_url=False)
        places = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in wrong)
        raise TenantsError(f"{where}: {places}.") from None
    return found
