"""Writes what the plugins say about their settings into the READMEs and meltano.yml, or checks it.

`python tests/docs/settings.py` checks and names what differs; with `--write` it brings the files up to date.
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = ("tap-epicor-kinetic", "target-mailchimp", "tap-mailchimp-webhooks", "target-epicor-contacts")
KINDS = {
    "integer": "integer",
    "boolean": "boolean",
    "array": "array",
    "object": "object",
    "number": "decimal",
}
BUILT_IN = ("stream_maps", "stream_map_config", "faker_config", "flattening_enabled", "flattening_max_depth")
BUILT_IN_PREFIXES = ("flattening_",)

Setting = dict[str, Any]


def about(plugin: str) -> dict[str, Any]:
    """What a plugin says about itself."""
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
        description = " ".join(str(setting.get("description", "")).split()).replace("|", "\\|")
        allowed = [value for value in setting.get("enum", []) if value is not None]
        if allowed:
            description += f" One of {', '.join(f'`{value}`' for value in allowed)}."
        if setting.get("secret"):
            description += " Secret."
        rows.append(f"| `{name}` | {'yes' if name in required else ''} | {default} | {description} |")
    return "\n".join(rows)


def definitions(document: dict[str, Any]) -> str:
    """The settings as Meltano wants them in a plugin definition."""
    entries = []
    for name, setting in settings_of(document).items():
        kind = kind_of(setting)
        entry: Setting = {"name": name, "kind": kind}
        if kind == "options":
            entry["options"] = [{"label": str(v), "value": v} for v in setting["enum"] if v is not None]
        if setting.get("secret"):
            entry["sensitive"] = True
        entry["label"] = setting.get("title") or name.replace("_", " ").capitalize()
        entry["description"] = " ".join(str(setting.get("description", "")).split())
        entries.append(entry)
    return yaml.safe_dump(entries, sort_keys=False, width=110, allow_unicode=True)


def between(text: str, begin: str, end: str, content: str) -> str:
    """The text with everything between two marker lines replaced."""
    pattern = re.compile(rf"({re.escape(begin)}\n).*?(^[ ]*{re.escape(end)})", re.DOTALL | re.MULTILINE)
    replaced, count = pattern.subn(lambda match: match[1] + content + match[2], text)
    if count != 1:
        raise SystemExit(f"Expected `{begin}` … `{end}` once, found {count} times.")
    return replaced


def indent(text: str, spaces: int) -> str:
    """Each line moved to the right."""
    return "".join(f"{' ' * spaces}{line}\n" for line in text.splitlines())


def wanted() -> dict[Path, str]:
    """What each file should hold."""
    meltano_file = ROOT / "meltano.yml"
    meltano = meltano_file.read_text(encoding="utf-8")
    files = {}
    for plugin in PLUGINS:
        document = about(plugin)
        readme = ROOT / plugin / "README.md"
        content = f"\n{table(document)}\n\n"
        files[readme] = between(
            readme.read_text(encoding="utf-8"), "<!-- settings -->", "<!-- /settings -->", content
        )
        meltano = between(
            meltano,
            f"# settings of {plugin}, from its --about",
            f"# end of settings of {plugin}",
            indent(definitions(document), 4),
        )
    files[meltano_file] = meltano
    return files


def check_capabilities() -> None:
    """Hold meltano.yml to the capabilities that the plugins state, and .env.example to meltano.yml."""
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    plugins = yaml.safe_load(text)["plugins"]
    for plugin in [*plugins["extractors"], *plugins["loaders"]]:
        if "inherit_from" in plugin:
            continue
        stated = about(plugin["name"])["capabilities"]
        if set(plugin["capabilities"]) != set(stated):
            raise SystemExit(f"The capabilities of {plugin['name']} in meltano.yml should be {stated}.")
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    missing = {
        name
        for name in re.findall(r"\$\{?([A-Z_]+)", text)
        if not re.search(rf"^{name}=", example, re.MULTILINE)
    } - {"MELTANO_PROJECT_ROOT"}
    if missing:
        raise SystemExit(f".env.example does not name {', '.join(sorted(missing))}.")


def main() -> None:
    """Check, or write."""
    check_capabilities()
    differences = 0
    for file, text in wanted().items():
        current = file.read_text(encoding="utf-8")
        if text == current:
            continue
        if "--write" in sys.argv:
            file.write_text(text, encoding="utf-8")
            continue
        differences += 1
        name = str(file.relative_to(ROOT))
        lines = difflib.unified_diff(
            current.splitlines(keepends=True), text.splitlines(keepends=True), name, f"{name} as it should be"
        )
        sys.stdout.writelines(lines)
    if differences:
        raise SystemExit(f"{differences} files differ from what the plugins say; `make docs` writes them.")


if __name__ == "__main__":
    main()
