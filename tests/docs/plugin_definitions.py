"""Makes the README tables and Meltano's definitions of the plugins from their `--about`."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VARIANT = "kinetic-mailchimp"
"""The variant that meltano.yml names; a part of the names of the lock files."""
KINDS = {
    "integer": "integer",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
    "number": "decimal",
}
OF_OWN_PLUGINS = {"date_iso8601": "date_iso8601"}
"""Other types are text to Meltano, whose traceback names no setting and to which any word is false.

The plugin names the setting."""
BUILT_IN = ("stream_maps", "stream_map_config", "faker_config", "flattening_enabled", "flattening_max_depth")
BUILT_IN_PREFIXES = ("flattening_",)
LOCKED = '-c "${MELTANO_PROJECT_ROOT}/requirements.lock"'
"""In quotes: Meltano splits it as a shell does, and a folder's name may hold a space."""

Setting = dict[str, Any]


@dataclass(frozen=True)
class Plugin:
    """A plugin as Meltano defines it.

    Attributes:
        name: Its name in meltano.yml.
        kind: The folder of its definition: `extractors`, `loaders`, `mappers` or `utilities`.
        label: Its name for people.
        source: The folder of its distribution, with extras; empty for one from the index.
        groups: Which settings are needed together; any one group is enough.
        commands: What `meltano invoke NAME:COMMAND` calls.
        program: The program of these commands; the plugin's own without one.
        keywords: What Meltano Hub finds it by.
        has_about: Tells whether it is a Singer plugin, which states its settings.
    """

    name: str
    kind: str
    label: str
    source: str = ""
    groups: tuple[tuple[str, ...], ...] = ()
    commands: tuple[str, ...] = ()
    program: str = ""
    keywords: tuple[str, ...] = ()
    has_about: bool = True

    @property
    def file(self) -> Path:
        """Where Meltano looks for its definition."""
        return ROOT / "plugins" / self.kind / f"{self.name}--{VARIANT}.lock"

    @property
    def pip_url(self) -> str:
        """What Meltano installs: the versions of requirements.lock, for building too."""
        if not self.source:
            return f"{LOCKED} {self.name}"
        build = LOCKED.replace("-c", "-b", 1)
        return f'{LOCKED} {build} -e "${{MELTANO_PROJECT_ROOT}}/{self.source}"'


EPICOR_GROUPS = (
    ("base_url", "companies", "api_key", "username", "password"),
    ("base_url", "companies", "api_key", "auth_method", "client_id", "client_secret"),
    ("base_url", "companies", "api_key", "auth_method"),
)
PLUGINS = (
    Plugin(
        "tap-epicor-kinetic",
        "extractors",
        "Epicor Kinetic",
        "tap-epicor-kinetic",
        EPICOR_GROUPS,
        keywords=("epicor", "erp", "odata"),
    ),
    Plugin(
        "tap-mailchimp-webhooks",
        "extractors",
        "Mailchimp webhooks",
        "tap-mailchimp-webhooks[postgres]",
        (("api_key",), ("access_token",)),
        commands=("serve", "register", "status", "unregister", "secret", "rotate-secret", "catch-up"),
        program="mailchimp-webhooks",
        keywords=("mailchimp", "webhooks"),
    ),
    Plugin(
        "target-mailchimp",
        "loaders",
        "Mailchimp",
        "target-mailchimp[postgres]",
        (("api_key", "list_id"), ("access_token", "list_id")),
        keywords=("mailchimp", "consent"),
    ),
    Plugin(
        "target-epicor-contacts",
        "loaders",
        "Epicor Kinetic contacts",
        "target-epicor-contacts[postgres]",
        EPICOR_GROUPS,
        keywords=("epicor", "erp", "consent"),
    ),
)
OTHERS = (
    Plugin("meltano-map-transform", "mappers", "Mappings"),
    Plugin(
        "sync-audit",
        "utilities",
        "Audit trail",
        "kinetic-mailchimp-kit[postgres,pages,alerts]",
        commands=(
            *("person", "search", "runs", "run", "failures", "replay", "close", "export", "verify"),
            *("erase", "prune", "serve", "alert", "drift", "diff", "skipped", "plan"),
            *("import-suppressions", "metrics"),
        ),
        keywords=("audit",),
        has_about=False,
    ),
)


@functools.cache
def about(plugin: str) -> dict[str, Any]:
    """The answer of a plugin to `--about`."""
    program = Path(sys.executable).with_name(plugin)
    run = subprocess.run([program, "--about", "--format=json"], capture_output=True, text=True, check=True)
    document: dict[str, Any] = json.loads(run.stdout)
    return document


def settings_of(document: dict[str, Any]) -> dict[str, Setting]:
    """A plugin's own settings, without those that the SDK gives to every plugin."""
    properties: dict[str, Setting] = document["settings"]["properties"]
    return {
        name: setting
        for name, setting in properties.items()
        if name not in BUILT_IN and not name.startswith(BUILT_IN_PREFIXES)
    }


def kind_of(setting: Setting) -> str:
    """Meltano's name for the type of a setting."""
    if "enum" in setting or "anyOf" in setting:
        return "options" if "enum" in setting else "string"
    types = setting.get("type", "string")
    first = next(t for t in (types if isinstance(types, list) else [types]) if t != "null")
    return "date_iso8601" if setting.get("format") == "date-time" else KINDS.get(first, "string")


def table(document: dict[str, Any]) -> str:
    """The settings as a Markdown table."""
    required = set(document["settings"].get("required", []))
    rows = [
        "| Setting | Required | Default | Description |",
        "|:--------|:---------|:--------|:------------|",
    ]
    for name, setting in settings_of(document).items():
        default = f"`{json.dumps(setting['default'])}`" if setting.get("default") is not None else ""
        description = one_line(setting.get("description")).replace("|", "\\|")
        allowed = [value for value in setting.get("enum", []) if value is not None]
        if allowed:
            description += f" One of {', '.join(f'`{value}`' for value in allowed)}."
        if setting.get("secret"):
            description += " Secret."
        rows.append(f"| `{name}` | {'yes' if name in required else ''} | {default} | {description} |")
    return "\n".join(rows)


def definition(plugin: Plugin) -> dict[str, Any]:
    """The definition of a plugin, as this project uses it."""
    found: dict[str, Any] = {
        "plugin_type": plugin.kind,
        "name": plugin.name,
        "namespace": plugin.name.replace("-", "_"),
        "variant": VARIANT,
        "label": plugin.label,
        "pip_url": plugin.pip_url,
        "executable": plugin.name,
    }
    if plugin.has_about:
        document = about(plugin.name)
        settings = settings_of(document) if plugin.source else document["settings"]["properties"]
        found["description"] = one_line(document["description"])
        found["capabilities"] = sorted(document["capabilities"])
        found["settings"] = [
            _definition(name, setting, is_own=bool(plugin.source)) for name, setting in settings.items()
        ]
    if plugin.groups:
        found["settings_group_validation"] = [list(group) for group in plugin.groups]
    if plugin.commands:
        program = {"executable": plugin.program} if plugin.program else {}
        found["commands"] = {name: {"args": name, **program} for name in plugin.commands}
    return found


def lock_file(plugin: Plugin) -> str:
    """The definition of a plugin for this project, in the form in which `meltano add` keeps it."""
    return json.dumps(definition(plugin), indent=2, ensure_ascii=False) + "\n"


def _definition(name: str, setting: Setting, *, is_own: bool) -> Setting:
    kind = kind_of(setting)
    kind = OF_OWN_PLUGINS.get(kind, "string") if is_own else kind
    entry: Setting = {"name": name, "kind": kind}
    if kind == "options":
        entry["options"] = [{"label": str(v), "value": v} for v in setting["enum"] if v is not None]
    if setting.get("secret"):
        entry["sensitive"] = True
    entry["label"] = setting.get("title") or name.replace("_", " ").capitalize()
    if description := one_line(setting.get("description")):
        entry["description"] = description
    return entry


def one_line(text: Any) -> str:
    """A description without its line breaks."""
    return " ".join(str(text or "").split())
