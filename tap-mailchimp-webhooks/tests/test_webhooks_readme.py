"""The table of the receiver's settings in the README, against the declarations."""

from __future__ import annotations

from pathlib import Path

from kinetic_mailchimp.kit.settings.declaration import declared_settings
from kinetic_mailchimp.kit.settings.options import variables_of
from tap_mailchimp_webhooks.cli.options import PREFIX
from tap_mailchimp_webhooks.cli.serve import ServeOptions

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- receiver settings -->", "<!-- /receiver settings -->"


def table() -> str:
    rows = ["| Option | Variable | Default | Description |", "|:-------|:---------|:--------|:------------|"]
    for setting in declared_settings(ServeOptions):
        option = f"--{setting.name.replace('_', '-')}"
        default = "" if setting.json_default == "" else f"`{setting.json_default}`"
        secret = " Secret." if setting.secret else ""
        description = setting.description + secret
        rows.append(f"| `{option}` | `{variables_of(setting, PREFIX)[0]}` | {default} | {description} |")
    return "\n".join(rows)


def test_the_readme_shows_the_settings_of_the_receiver() -> None:
    shown = README.read_text(encoding="utf-8").partition(f"{BEGIN}\n")[2].partition(f"\n{END}")[0]

    assert shown.strip() == table()
