"""Writes everything in the repository that follows from the code, or checks it.

These are the capabilities, settings and install lines in the READMEs, the definitions under plugins/ and
hub/, the tables of docs/rules.md, docs/mappings.md, docs/faults.md and docs/reference, and the version,
addresses and licence of each distribution.
`python tests/docs/generate.py` checks and names what differs; with `--write` it brings the files up to date.
"""

from __future__ import annotations

import difflib
import re
import sys
from pathlib import Path

import distributions
import fault_table
import field_table
import other_projects
import plugin_definitions
import reference_pages
import rule_table
from plugin_definitions import OTHERS, PLUGINS, ROOT

IN_HUB = tuple(plugin for plugin in (*PLUGINS, *OTHERS) if plugin.source)
"""Those of this project: other projects find the rest in Meltano Hub."""


def between(text: str, begin: str, end: str, content: str) -> str:
    """Replace everything between two marker lines.

    Args:
        text: Of the whole file.
        begin: The line before.
        end: The line after.
        content: What shall stand between them.
    """
    pattern = re.compile(rf"({re.escape(begin)}\n).*?(^[ ]*{re.escape(end)})", re.DOTALL | re.MULTILINE)
    replaced, count = pattern.subn(lambda match: match[1] + content + match[2], text)
    if count != 1:
        raise SystemExit(f"Expected `{begin}` … `{end}` once, found {count} times.")
    return replaced


def wanted() -> dict[Path, str]:
    """Each generated file with the text that it should have."""
    files = {plugin.file: plugin_definitions.lock_file(plugin) for plugin in (*PLUGINS, *OTHERS)}
    files |= {other_projects.hub_path(plugin): other_projects.hub_file(plugin) for plugin in IN_HUB}
    for plugin in PLUGINS:
        readme = ROOT / plugin.name / "README.md"
        text = readme.read_text(encoding="utf-8")
        about = plugin_definitions.about(plugin.name)
        capabilities = "".join(f"- `{name}`\n" for name in about["capabilities"])
        text = between(text, "<!-- capabilities -->", "<!-- /capabilities -->", f"\n{capabilities}\n")
        settings = plugin_definitions.table(about)
        text = between(text, "<!-- settings -->", "<!-- /settings -->", f"\n{settings}\n\n")
        install = other_projects.install_section(plugin)
        files[readme] = between(text, "<!-- install -->", "<!-- /install -->", f"\n{install}\n")
    readme = ROOT / "README.md"
    files[readme] = other_projects.with_version_and_repository(readme.read_text(encoding="utf-8"))
    rules = ROOT / "docs" / "rules.md"
    files[rules] = between(
        rules.read_text(encoding="utf-8"), "<!-- tests -->", "<!-- /tests -->", f"\n{rule_table.table()}\n\n"
    )
    mappings = ROOT / "docs" / "mappings.md"
    files[mappings] = between(
        mappings.read_text(encoding="utf-8"),
        "<!-- fields -->",
        "<!-- /fields -->",
        f"\n{field_table.table()}\n\n",
    )
    faults = ROOT / "docs" / "faults.md"
    files[faults] = between(
        faults.read_text(encoding="utf-8"),
        "<!-- faults -->",
        "<!-- /faults -->",
        f"\n{fault_table.tables()}\n\n",
    )
    for page, tables in reference_pages.tables().items():
        file = ROOT / "docs" / "reference" / f"{page}.md"
        text = file.read_text(encoding="utf-8")
        for name, table in tables.items():
            text = between(text, f"<!-- {name} -->", f"<!-- /{name} -->", f"\n{table.strip()}\n\n")
        files[file] = text
    return files | distributions.wanted()


def unexpected() -> list[Path]:
    """Definitions that no plugin has any more."""
    found = {*ROOT.glob("plugins/*/*.lock"), *ROOT.glob("hub/*/*/*.yml")}
    return sorted(
        found - {plugin.file for plugin in (*PLUGINS, *OTHERS)} - set(map(other_projects.hub_path, IN_HUB))
    )


def main() -> None:
    """Check, or write."""
    differences = len(unexpected())
    for file in unexpected():
        sys.stdout.write(f"{file.relative_to(ROOT)} defines a plugin that tests/docs does not know.\n")
    for file, text in wanted().items():
        current = file.read_text(encoding="utf-8") if file.exists() else ""
        if text == current:
            continue
        if "--write" in sys.argv:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            continue
        differences += 1
        name = str(file.relative_to(ROOT))
        lines = difflib.unified_diff(
            current.splitlines(keepends=True), text.splitlines(keepends=True), name, f"{name} as it should be"
        )
        sys.stdout.writelines(lines)
    if differences:
        raise SystemExit(f"{differences} files differ from the code; `make docs` writes them.")


if __name__ == "__main__":
    main()
