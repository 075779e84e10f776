"""Each setting of each plugin, given a value that does not fit, is told with its variable and its file."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

import pytest
from kinetic_mailchimp.doctor.examination import GROUP
from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.project import Project, own_variable, with_origins

FITTING = {
    "base_url": "https://erp.example.com/kinetic",
    "companies": ["EPIC06"],
    "api_key": "0123456789abcdef0123456789abcdef-us6",
    "username": "integration",
    "password": "not-a-password",
    "list_id": "37af3c02bc",
}
WRONG = {
    "integer": "many",
    "number": "many",
    "boolean": "perhaps",
    "array": "[not closed",
    "object": "[not closed",
}
"""By the type of a setting, a text that cannot be one."""


def project_with(plugin: str, **variables: str) -> Project:
    """A project in which a plugin takes settings from variables of its own in .env."""
    document = {"plugins": {"all": [{"name": plugin}]}}
    return Project(Path("project"), document, "", variables, {"MELTANO_PROJECT_ROOT": "/project"})


@pytest.mark.rule("R10")
@pytest.mark.parametrize("point", entry_points(group=GROUP), ids=lambda point: point.name)
def test_a_value_that_does_not_fit_is_told_with_its_variable_and_file(point: EntryPoint):
    plugin = point.load()
    settings = plugin.config_jsonschema["properties"]
    fitting = {name: value for name, value in FITTING.items() if name in settings}
    typed = {
        name: "not-an-option" if "enum" in schema else next(WRONG[kind] for kind in kinds if kind in WRONG)
        for name, schema in settings.items()
        if {*(kinds := [schema["type"]] if isinstance(schema["type"], str) else schema["type"])} & {*WRONG}
        or "enum" in schema
    }
    assert len(typed) >= 5
    for name, wrong in typed.items():
        variable = own_variable(point.name, name)
        project = project_with(point.name, **{variable: wrong})

        with pytest.raises(ConfigurationError) as error:
            plugin.of_config({**fitting, **project.config(point.name)})

        told = with_origins(str(error.value), point.name, settings, project)
        assert told.endswith(f" `{name}` comes from {variable} in /project/.env."), told
        assert f"Setting `{name}`" in told


@pytest.mark.rule("R10")
@pytest.mark.parametrize("point", entry_points(group=GROUP), ids=lambda point: point.name)
def test_a_setting_that_is_missing_is_told_with_its_variable_and_file(point: EntryPoint):
    plugin = point.load()
    settings = plugin.config_jsonschema["properties"]
    for name in plugin.config_jsonschema.get("required", ()):
        project = project_with(point.name)

        with pytest.raises(ConfigurationError) as error:
            plugin.of_config(
                {key: value for key, value in FITTING.items() if key in settings and key != name}
            )

        told = with_origins(str(error.value), point.name, settings, project)
        assert f"Setting `{name}` is missing." in told
        assert f"or as {own_variable(point.name, name)} in /project/.env." in told


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("written", "handed", "told"),
    [
        ("$EPICOR_PASSWORD", "p", "`password` comes from EPICOR_PASSWORD in /project/.env."),
        ("$EPICOR_PASSWORD", "of-somebody", "`password` comes from TAP_X_PASSWORD in the environment."),
        ("in-the-project", "in-the-project", "`password` stands under tap-x in /project/meltano.yml."),
        (True, "true", "`password` stands under tap-x in /project/meltano.yml."),
        (["a", "b"], '["a", "b"]', "`password` stands under tap-x in /project/meltano.yml."),
    ],
)
def test_a_variable_that_meltano_made_of_its_file_is_not_the_origin(written, handed, told):
    """Meltano hands each setting over in a variable of the plugin's own, whatever it made it of."""
    document = {"plugins": {"extractors": [{"name": "tap-x", "config": {"password": written}}]}}
    environ = {"MELTANO_PROJECT_ROOT": "/project", "EPICOR_PASSWORD": "p", "TAP_X_PASSWORD": handed}
    project = Project(Path("/project"), document, "", {"EPICOR_PASSWORD": "p"}, environ)

    assert project.origins("tap-x", ["password"]) == [told]


@pytest.mark.rule("R10")
@pytest.mark.parametrize(
    ("plugin", "options"),
    [
        ("tap-epicor-kinetic", ()),
        ("tap-epicor-kinetic", ("--discover",)),
        ("target-epicor-contacts", ()),
        ("target-epicor-contacts", ("--test",)),
    ],
)
def test_the_last_line_of_a_command_names_the_setting_that_is_missing(
    plugin: str, options: tuple[str, ...], tmp_path: Path
):
    config = tmp_path / "config.json"
    config.write_text("{}")
    command = [str(Path(sys.executable).parent / plugin), "--config", str(config), *options]
    ended = subprocess.run(command, input="", capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert "Setting `base_url` is missing." in last
    assert own_variable(plugin, "base_url") in last
