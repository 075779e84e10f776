"""The gates that `make check` brings itself let through what is right and stop what is not."""

from __future__ import annotations

import ast
import json
import re
import shlex

import distributions
import other_projects
import plugin_definitions
import pytest
import references
import rule_table
import sbom
import words
import yaml
from plugin_definitions import PLUGINS, ROOT

MOST_MODULES = 14
"""Modules and packages that a package has at its top: a dozen, and a little."""


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ('"""What it is."""', ["1: a docstring opens with `What`"]),
        ('def f():\n    """Whether it is."""', ["2: a docstring opens with `Whether`"]),
        ('x = 1\n"""How many."""', ["2: a docstring opens with `How`"]),
        ('setting(1, description="How long it waits.")', ["1: a description opens with `How`"]),
        ('raise ValueError(f"`{x}` is no URL.")', ["1: `is no`"]),
        ('text = "Mend it."', ["1: `Mend`"]),
        ('"""Whatever comes."""\ntext = "It is no longer there."', []),
        ('"""A list.\n\nIt is no tuple."""', ["3: `is no`"]),
        ("x = 1  # somebody set it\n", ["1: `somebody`"]),
    ],
)
def test_words_that_must_not_come_back_are_found(source, told):
    found = list(words.offences(source, "module.py"))

    assert [text.removeprefix("module.py:").rsplit(":", 1)[0] for text in found] == told


def test_no_package_has_more_modules_than_one_looks_over():
    found = {}
    for package in words.PACKAGES:
        for start in (ROOT / package).rglob("__init__.py"):
            parts = [*start.parent.glob("*.py"), *start.parent.glob("*/__init__.py")]
            found[start.parent.relative_to(ROOT)] = len(parts) - 1  # without its own
    assert len(found) > len(words.PACKAGES)
    assert {room: count for room, count in found.items() if count > MOST_MODULES} == {}


def test_the_modules_that_the_library_page_names_are_there():
    library, room = ROOT / "kinetic-mailchimp-kit" / "kinetic_mailchimp", ""
    lost = []
    for line in (ROOT / "docs" / "library.md").read_text(encoding="utf-8").splitlines():
        if title := re.match(r"## kinetic_mailchimp\.(\w+)", line):
            room = title[1]
        for name in re.findall(r"`([\w./]+)`", line.split("|")[1]) if line.startswith("| `") else ():
            module = library / room / name.replace(".", "/")
            if not (module.is_dir() or module.with_suffix(".py").is_file()):
                lost.append(f"{room}.{name}")
    assert lost == []


def test_marks_are_read_from_functions_classes_modules_and_state_machines():
    source = """
pytestmark = [pytest.mark.rule("R1")]
TestMachine = pytest.mark.rule("R2")(Machine.TestCase)
@pytest.mark.rule("R3")
@pytest.mark.rule("R4")
def test_one(): ...
def helper(): ...
@pytest.mark.rule("R5")
class TestTwo:
    def test_inside(self): ...
"""
    assert sorted(rule_table._marks(ast.parse(source))) == [
        ("R1", "TestTwo.test_inside"),
        ("R1", "test_one"),
        ("R2", "TestMachine"),
        ("R3", "test_one"),
        ("R4", "test_one"),
        ("R5", "TestTwo.test_inside"),
    ]


def test_links_and_anchors_that_lead_nowhere_are_found(tmp_path):
    (tmp_path / "other.md").write_text("# One `heading`, twice\n\n# One heading, twice\n")
    file = tmp_path / "file.md"
    file.write_text(
        "# Here\n[a](#here) [b](#there) [c](other.md#one-heading-twice-1) [d](other.md#two)\n"
        "[e](none.md) [f](https://example.com) `[g](none.md)`\n```\n[h](none.md)\n```\n"
    )

    assert [text.partition("file.md:")[2] for text in references.broken_links(file)] == [
        "2: file.md has no heading for #there.",
        "2: other.md has no heading for #two.",
        "3: there is no none.md.",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("make check", ""),
        ("make coffee", "`make coffee` does not exist."),
        ("meltano --environment=prod run forward", ""),
        ("meltano run sideways", "`meltano run` has no job or plugin sideways."),
        ("meltano invoke sync-audit:person person@example.com", ""),
        ("meltano invoke sync-audit:dance", "`meltano invoke` has no plugin sync-audit:dance."),
        ("FOO=1 sync-audit --database sqlite:///x person ada@example.com | head", ""),
        ("sync-audit dance", "`sync-audit` has no command among `dance`."),
        ("cp a b && no-such-program", "`no-such-program` does not exist."),
    ],
)
def test_console_lines_that_name_no_command_are_found(tmp_path, line, told):
    file = tmp_path / "file.md"
    file.write_text(f"```console\n$ {line}\noutput\n```\n")

    found = [text.partition("file.md:2: ")[2] for text in references.unknown_commands(file)]
    assert found == ([told] if told else [])


def test_variables_that_are_missing_unknown_or_unexplained_are_found():
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert list(references.wrong_variables(example)) == []

    wrong = example.replace("MAILCHIMP_API_KEY=", "MAILCHIMP_APY_KEY=").replace(
        "# The password of that user.\n", ""
    )
    told = list(references.wrong_variables(wrong))
    assert [text.partition(": ")[2] or text for text in told] == [
        "`EPICOR_PASSWORD` needs a sentence in a comment above it.",
        "`MAILCHIMP_APY_KEY` sets nothing.",
        ".env.example does not name `MAILCHIMP_API_KEY`.",
    ]


def test_a_definition_declares_each_setting_and_which_are_secret():
    definition = json.loads(plugin_definitions.lock_file(PLUGINS[0]))

    settings = {setting["name"]: setting for setting in definition["settings"]}
    assert settings.keys() == plugin_definitions.settings_of(plugin_definitions.about(PLUGINS[0].name)).keys()
    assert {name for name, setting in settings.items() if setting.get("sensitive")} == {
        "api_key",
        "password",
        "client_secret",
    }


def test_meltano_takes_each_value_as_it_is_written_and_leaves_its_type_to_the_plugin():
    definitions = [json.loads(plugin.file.read_text(encoding="utf-8")) for plugin in PLUGINS]

    kinds = {setting["kind"] for definition in definitions for setting in definition["settings"]}
    assert kinds == {"string", "date_iso8601"}


@pytest.mark.parametrize(
    "plugin", [plugin for plugin in PLUGINS if plugin.source], ids=lambda plugin: plugin.name
)
def test_a_plugin_is_installed_from_a_folder_whose_name_holds_a_blank(plugin):
    words_of_pip = shlex.split(plugin.pip_url.replace("${MELTANO_PROJECT_ROOT}", "/my folder"))

    place = f"/my folder/{plugin.source}"
    assert words_of_pip == [
        "-c",
        "/my folder/requirements.lock",
        "-b",
        "/my folder/requirements.lock",
        "-e",
        place,
    ]


def test_a_definition_for_other_projects_installs_from_git_alone():
    tap = next(plugin for plugin in PLUGINS if plugin.name == "tap-mailchimp-webhooks")
    document = yaml.safe_load(other_projects.hub_file(tap))

    address = f"git+{distributions.urls()['Repository']}"
    assert document["pip_url"].split() == [
        f"kinetic-mailchimp-kit@{address}#subdirectory=kinetic-mailchimp-kit",
        f"tap-mailchimp-webhooks[postgres]@{address}#subdirectory=tap-mailchimp-webhooks",
    ]
    assert document["commands"]["serve"] == {"args": "serve", "executable": "mailchimp-webhooks"}
    assert document["settings"] == plugin_definitions.definition(tap)["settings"]


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("`tests/docs/test_gates.py::test_bounds_follow_from_the_version`", []),
        ("`tests/docs/test_gates.py::test_gone`", ["3: there is no tests/docs/test_gates.py::test_gone."]),
        ("`tests/docs/gone.py::test_gone`", ["3: there is no tests/docs/gone.py::test_gone."]),
        ("`test_gates.py`", ["3: the row names no test as `path::test`."]),
    ],
)
def test_a_row_of_the_threat_model_names_a_test_that_is_there(tmp_path, cell, told):
    file = tmp_path / "threats.md"
    file.write_text(
        f"| Attack | Test |\n|:--|:--|\n| One | {cell} |\n\n| Other | Table |\n|--|--|\n| a | b |\n"
    )
    assert [text.partition(":")[2] for text in references.unproved_rows(file)] == told


def test_install_lines_follow_the_version_and_the_address(monkeypatch):
    monkeypatch.setattr(other_projects, "version", lambda: "1.2.3rc1")
    monkeypatch.setattr(other_projects, "urls", lambda: {"Repository": "https://git.example.org/x.git"})

    text = "$ REPOSITORY=https://old.example.com/y.git\n$ pip install --find-links dist a-b==0.1.0 c==0.1.0\n"
    assert other_projects.with_version_and_repository(text) == (
        "$ REPOSITORY=https://git.example.org/x.git\n"
        "$ pip install --find-links dist a-b==1.2.3rc1 c==1.2.3rc1\n"
    )


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.1.0", ">=0.1,<0.2"),
        ("0.9.3", ">=0.9,<0.10"),
        ("1.2.3", ">=1.2,<2"),
        ("0.2.0rc1", ">=0.2.0.dev0,<0.3"),
    ],
)
def test_bounds_follow_from_the_version(version, expected):
    assert distributions.bounds(version) == expected


def test_a_bill_of_materials_names_everything_that_is_installed_for_a_plugin():
    lock = ROOT / "requirements.lock"
    document = sbom.document("tap-epicor-kinetic", lock, "2026-03-01T00:00:00Z")

    parts = {part["name"]: part for part in document["components"]}
    assert {"kinetic-mailchimp-kit", "singer-sdk", "requests", "certifi"} <= parts.keys()
    assert not parts.keys() & {"apprise", "jinja2", "pytest"}
    references_of = {part["bom-ref"] for part in (*parts.values(), document["metadata"]["component"])}
    assert {entry["ref"] for entry in document["dependencies"]} == references_of
    assert {need for entry in document["dependencies"] for need in entry["dependsOn"]} <= references_of
    assert document == sbom.document("tap-epicor-kinetic", lock, "2026-03-01T00:00:00Z")


def test_a_bill_of_materials_names_what_another_platform_needs():
    document = sbom.document("kinetic-mailchimp-kit", ROOT / "requirements.lock", "2026-03-01T00:00:00Z")

    parts = {part["name"]: part for part in document["components"]}
    assert parts["pywin32-ctypes"]["scope"] == "optional"
    keyring = next(entry for entry in document["dependencies"] if entry["ref"] == parts["keyring"]["purl"])
    assert parts["pywin32-ctypes"]["purl"] in keyring["dependsOn"]


def test_a_bill_of_materials_refuses_what_is_not_the_locked_version(tmp_path):
    lock = tmp_path / "requirements.lock"
    lock.write_text("requests==0.0.1 \\\n")

    with pytest.raises(SystemExit, match=r"requests .* not the locked version"):
        sbom.document("tap-epicor-kinetic", lock, "2026-03-01T00:00:00Z")
