"""The doctor finds nothing in a good project, and in a bad one says in a sentence what to do, and where."""

from __future__ import annotations

import socket
import time
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, ClassVar

import pytest
from kinetic_mailchimp.doctor.examination import GROUP, examine_plugins
from kinetic_mailchimp.kit.project import Project as MeltanoProject
from user_project import Change, Project


def wrong(document) -> list[str]:
    """The sentences about what must be put right, with what they are about."""
    return [
        f"{found['about']}: {found['text']} {found['fix']}".strip()
        for found in document["findings"]
        if found["verdict"] == "wrong"
    ]


def test_nothing_is_wrong_with_a_good_project(project):
    status, document = project.doctor()

    assert wrong(document) == []
    assert (status, document["is_good"]) == (0, True)
    about = {found["about"] for found in document["findings"]}
    plugins = {"tap-epicor-kinetic", "target-mailchimp", "tap-mailchimp-webhooks", "target-epicor-contacts"}
    assert about == {"project", *plugins, "mapping"}
    owners = {field["field"]: field["owner"] for field in document["fields"]}
    assert (owners["FNAME"], owners["COMPANY"], owners["ADDRESS.city"]) == ("both", "Epicor", "both")


def test_a_person_reads_lines_and_a_table(project):
    project.write()
    ended = project.run("connector-doctor", "--seconds", "300")

    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.splitlines()[-1] == "All is well."
    [row] = [line.split() for line in ended.stdout.splitlines() if line.startswith("LNAME")]
    assert row == ["LNAME", "text", "⇄", "customer_contacts.LastName", "(String)", "LastName"]
    table = ended.stdout.partition("Merge field")[2].splitlines()
    assert max(map(len, table)) <= 80
    assert ended.stderr == ""
    for secret in ("EPICOR_PASSWORD", "EPICOR_API_KEY", "MAILCHIMP_API_KEY", "MAILCHIMP_WEBHOOKS_SECRET"):
        assert project.variables[secret] not in ended.stdout


def unset(*names: str) -> Change:
    return lambda project: [project.variables.pop(name) for name in names]


def env(**values: str) -> Change:
    return lambda project: project.variables.update(values)


def rename(old: str, new: str) -> Change:
    return lambda project: project.variables.update({new: project.variables.pop(old)})


def config(plugin: str, **values: object) -> Change:
    return lambda project: project.plugin(plugin)["config"].update(values)


def matrix(*by_company: dict[str, list[str]]) -> Change:
    """Who feeds whom: the same in both targets, or what each has."""

    def change(project: Project) -> None:
        list_id = project.variables["MAILCHIMP_LIST_ID"]
        targets = ("target-mailchimp", "target-epicor-contacts")
        for target, given in zip(targets, by_company * 2, strict=False):
            fed = {name: [one.format(list_id=list_id) for one in lists] for name, lists in given.items()}
            project.plugin(target)["config"]["audiences_by_company"] = fed

    return change


def select(plugin: str, old: str, *new: str) -> Change:
    def change(project: Project) -> None:
        rules = project.plugin(plugin)["select"]
        rules[:] = [rule for rule in rules if rule != old] + list(new)

    return change


def mapped(mapping: str, stream: str, **values: str) -> Change:
    return lambda project: project.mapping(mapping)[stream].update(values)


def back(**columns: str) -> Change:
    return lambda project: project.plugin("target-epicor-contacts")["config"]["merge_fields"].update(columns)


MISTAKES: dict[str, tuple[Change, str, str]] = {
    "the API key of Epicor is missing": (
        unset("EPICOR_API_KEY"),
        "tap-epicor-kinetic: Setting `api_key` is missing. ",
        "`api_key` belongs in {env} as EPICOR_API_KEY.",
    ),
    "a variable is misspelled": (
        rename("EPICOR_BASE_URL", "EPICOR_BASEURL"),
        ("project: EPICOR_BASEURL in {env} is read by nothing, and EPICOR_BASE_URL is not set. "
        "Rename it to EPICOR_BASE_URL."),
        "Setting `base_url` is missing.",
    ),
    "the host of Epicor does not exist": (
        env(EPICOR_BASE_URL="http://nowhere.invalid/kinetic"),
        ("no server has the name nowhere.invalid. Correct `base_url`; a name within a network needs that "
        "network, or its VPN. `base_url` comes from EPICOR_BASE_URL in {env}."),
        "target-epicor-contacts: GET nowhere.invalid/",
    ),
    "nothing listens at the address of Epicor": (
        env(EPICOR_BASE_URL="http://127.0.0.1:9/kinetic"),
        "the connection was refused, for no program listens there. Check `base_url` for host and port, that ",
        "`base_url` comes from EPICOR_BASE_URL in {env}.",
    ),
    "the data centre of Mailchimp does not exist": (
        env(MAILCHIMP_BASE_URL="https://us99.nowhere.invalid/3.0"),
        "target-mailchimp: GET us99.nowhere.invalid/3.0/ping: no server has the name us99.nowhere.invalid.",
        "tap-mailchimp-webhooks: GET us99.nowhere.invalid/3.0/ping: no server has the name",
    ),
    "the URL of Epicor is no URL": (
        env(EPICOR_BASE_URL="erp.example.com"),
        ("Setting `base_url` is not a valid web address. Use `https://<host>/<instance>`, the part before "
        "`/api/v2`. `base_url` comes from EPICOR_BASE_URL in {env}."),
        "",
    ),
    "the instance of Epicor is another": (
        lambda project: env(EPICOR_BASE_URL=f"{project.variables['EPICOR_BASE_URL']}-test")(project),
        "Kinetic is not at this address.",
        "`base_url` comes from EPICOR_BASE_URL in {env}.",
    ),
    "the password is wrong": (
        env(EPICOR_PASSWORD="not-the-password"),
        "`username`, `password` and `api_key` come from EPICOR_",
        "`client_id` and `client_secret` belong in {env} as EPICOR_CLIENT_ID and EPICOR_CLIENT_SECRET.",
    ),
    "the API key of Epicor is wrong": (
        env(EPICOR_API_KEY="not-the-key"),
        "`api_key` comes from EPICOR_API_KEY in {env}.",
        "",
    ),
    "a company does not exist": (
        env(EPICOR_COMPANIES="EPIC06,EPIC99"),
        "tap-epicor-kinetic: Company EPIC99:",
        "`companies` comes from EPICOR_COMPANIES in {env}.",
    ),
    "the way to log in is misspelled": (
        env(EPICOR_AUTH_METHOD="Basic"),
        ("Setting `auth_method` has no option 'Basic'. Is basic meant? "
        "Use one of basic, token_resource, oauth2, api_key. `auth_method` comes from EPICOR_AUTH_METHOD in "
        "{env}."),
        "",
    ),
    "there are no credentials for Mailchimp": (
        unset("MAILCHIMP_API_KEY"),
        ("tap-mailchimp-webhooks: There are no credentials for Mailchimp. Set exactly one of `api_key` and "
        "`access_token`. `api_key` and `access_token` belong in {env} as MAILCHIMP_API_KEY and "
        "MAILCHIMP_ACCESS_TOKEN."),
        "target-mailchimp: There are no credentials for Mailchimp.",
    ),
    "the key of Mailchimp is cut off": (
        env(MAILCHIMP_API_KEY="0123456789abcdef0123456789abcdef", MAILCHIMP_BASE_URL=""),
        "The API key does not end in a data centre such as `-us6`, so it is not complete.",
        "`base_url` belongs in {env} as MAILCHIMP_BASE_URL.",
    ),
    "the key of Mailchimp is revoked": (
        env(MAILCHIMP_API_KEY="0123456789abcdef0123456789abcdef-us6"),
        "`api_key` and `base_url` come from MAILCHIMP_API_KEY and MAILCHIMP_BASE_URL in {env}.",
        "`access_token` belongs in {env} as MAILCHIMP_ACCESS_TOKEN.",
    ),
    "the audience is not named": (
        unset("MAILCHIMP_LIST_ID"),
        ("target-mailchimp: Setting `list_id` is empty, so that no audience is named. Set it to the id or "
        "the name of an audience of this account:"),
        "`list_id` belongs in {env} as MAILCHIMP_LIST_ID.",
    ),
    "the audience does not exist": (
        env(MAILCHIMP_LIST_ID="ffffffffff", MAILCHIMP_LIST_IDS="ffffffffff"),
        "target-mailchimp: `list_id`: the account has no audience 'ffffffffff'. Use an id. The account has:",
        "tap-mailchimp-webhooks: `list_ids`: the account has no audience 'ffffffffff'.",
    ),
    "the reverse pipeline reads another audience": (
        env(MAILCHIMP_LIST_ID="Newsletter"),
        ", an audience that is written to: its opt-outs would stay there. Add it to MAILCHIMP_LIST_IDS",
        "",
    ),
    "a company feeds an audience that does not exist": (
        matrix({"EPIC06": ["ffffffffff"], "EPIC07": []}),
        "target-mailchimp: `audiences_by_company`: the account has no audience with the id 'ffffffffff'.",
        "",
    ),
    "a company that is read is misspelled where it feeds an audience": (
        matrix({"EPIC6": ["{list_id}"], "EPIC07": []}),
        ("`audiences_by_company` says nothing about company EPIC06. Name its audiences, or write "
        "`EPIC06: []` to leave its rows out. Is EPIC6 meant?"),
        "",
    ),
    "both targets differ in who feeds whom": (
        matrix({"EPIC06": ["{list_id}"], "EPIC07": []}, {"EPIC06": [], "EPIC07": ["{list_id}"]}),
        "project: `audiences_by_company` differs between target-epicor-contacts and target-mailchimp",
        "",
    ),
    "the status of an audience goes to a column that is not there": (
        config("target-epicor-contacts", audience_columns={"37af3c02bc": "Dealers_c"}),
        "target-epicor-contacts: `audience_columns` sets `Dealers_c`; there is no such column in Epicor's",
        "",
    ),
    "the reverse pipeline reads an audience by its name": (
        env(MAILCHIMP_LIST_IDS="customers"),
        "`list_ids` takes ids of audiences, and 'customers' is a name. Write ",
        "`list_ids` comes from MAILCHIMP_LIST_IDS in {env}.",
    ),
    "the path secret is a placeholder": (
        env(MAILCHIMP_WEBHOOKS_SECRET="change-me-change-me"),
        ("tap-mailchimp-webhooks: The path secret is a placeholder. `mailchimp-webhooks secret` makes one; "
        "set it as MAILCHIMP_WEBHOOKS_SECRET."),
        "",
    ),
    "the URL of the audit database is no URL": (
        env(AUDIT_DATABASE_URL="data/audit.sqlite3"),
        "target-mailchimp: The setting `audit_database_url` is not a database URL.",
        "`audit_database_url` comes from AUDIT_DATABASE_URL in {env}.",
    ),
    "the key of dead letters is no key": (
        env(AUDIT_ENCRYPTION_KEY="not-a-key-of-any-kind"),
        ("project: A key in AUDIT_ENCRYPTION_KEY is malformed: it is not 32 bytes in URL-safe Base64. Check "
        "AUDIT_ENCRYPTION_KEY; `connector-secrets keygen` makes a key."),
        "",
    ),
    "an encrypted setting, and no key": (
        env(EPICOR_PASSWORD="enc:gAAAAABnotatoken"),
        "Setting `EPICOR_PASSWORD`: There is no key for encrypted settings.",
        "",
    ),
    "a column that is selected does not exist": (
        select("tap-epicor-kinetic", "customers.City", "customers.Cty"),
        "mapping: `select` names customers.Cty, and Epicor has no such column. Is customers.City meant?",
        "",
    ),
    "a column that the mapping reads is not selected": (
        select("tap-epicor-kinetic", "customers.Name"),
        "mapping: The mapping of stream customers cannot read a record:",
        "Select the column under `select` of the tap, or write `_.get('Column')` in the mapping.",
    ),
    "the mapping names a merge field that does not exist": (
        lambda project: (
            config("target-mailchimp", create_merge_fields=False)(project),
            mapped("epicor-to-mailchimp", "customers", COMPANI="Name", ACCTSTATUS="__NULL__")(project),
        ),
        "mapping: The mapping names COMPANI, and the audience has no such merge field.",
        "",
    ),
    "what comes back goes to a column that does not exist": (
        back(FirsName="FNAME"),
        "target-epicor-contacts: `merge_fields`",
        "FirsName",
    ),
    "a two-way field is missing from the setting": (
        config("target-mailchimp", two_way_fields=["FNAME", "LNAME", "PHONE"]),
        ("mapping: `two_way_fields` is ['FNAME', 'LNAME', 'PHONE'], and the tags that the mapping sends and "
        "`merge_fields` takes back are ['ADDRESS', 'FNAME', 'LNAME', 'PHONE']."),
        "",
    ),
    "a schedule is no cron expression": (
        lambda project: project.document["schedules"][0].update(interval="every hour"),
        ("project: `interval` of schedule `forward-every-15-minutes` is not a valid cron expression: "
        "'every hour'. Write five fields, such as \"*/15 * * * *\", or @hourly."),
        "",
    ),
    "the directions keep two audit trails": (
        config("target-mailchimp", audit_database_url="sqlite:///data/other.sqlite3"),
        ("project: `audit_database_url` differs between target-epicor-contacts and target-mailchimp: each "
        "direction must know what the other one did. Let both take it from one variable."),
        "",
    ),
}  # fmt: skip


@pytest.mark.rule("R10")
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_sentence_with_the_fix(project, mistake):
    change, says, says_too = MISTAKES[mistake]
    change(project)

    status, document = project.doctor()

    told = "\n".join(wrong(document))
    file = str(project.folder / ".env")
    assert says.format(env=file) in told
    assert says_too.format(env=file) in told
    assert status == 1
    assert "unexpected" not in told
    assert "Traceback" not in told


def test_an_audience_may_be_named_where_it_is_written_to(project):
    project.variables["MAILCHIMP_LIST_ID"] = "customers"

    status, document = project.doctor()

    assert wrong(document) == []
    assert "Events of each audience that is written to are read." in [
        one["text"] for one in document["findings"]
    ]
    assert status == 0


def test_some_plugins_alone_are_held_to_the_same_mapping(project):
    status, document = project.doctor("tap-epicor-kinetic", "target-mailchimp")

    assert wrong(document) == []
    assert status == 0


def test_a_tap_asks_nothing_before_its_checks():
    """To ask for streams would be to wait for a server that may not be there, as long as a run does."""
    point = next(point for point in entry_points(group=GROUP) if point.name == "tap-epicor-kinetic")
    tap = point.load().of_config(
        {
            "base_url": "https://nowhere.invalid/k",
            "companies": ["A"],
            "api_key": "k",
            "auth_method": "api_key",
        }
    )

    assert tap.client.transport.calls.total() == 0


def test_an_environment_that_is_not_there(project):
    status, document = project.doctor("--environment", "production")

    assert status == 1
    assert "has no environment 'production'. Use one of dev, staging, prod:" in wrong(document)[0]


def test_a_file_that_others_can_read(project):
    project.write()
    (project.folder / ".env").chmod(0o644)
    ended = project.run("connector-doctor", "--seconds", "300")

    assert ended.returncode == 1
    assert f"Run `chmod 600 {project.folder}/.env`." in ended.stdout


def test_a_file_with_a_byte_order_mark(project):
    project.write()
    file = project.folder / ".env"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    ended = project.run("connector-doctor", "--seconds", "300")

    assert ended.returncode == 1
    assert "Save it as UTF-8 without a mark (BOM)." in ended.stdout


def test_a_meltano_yml_that_is_not_yaml(project):
    project.write()
    (project.folder / "meltano.yml").write_text("plugins: [\n- name: x\n  a: b: c\n")
    ended = project.run("connector-doctor")

    assert ended.returncode == 3
    assert "cannot be read as YAML. Correct this line, or the one before it." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_empty_list_ids_are_told(project):
    project.variables["MAILCHIMP_LIST_IDS"] = ""
    status, document = project.doctor("tap-mailchimp-webhooks")

    notes = [found["text"] for found in document["findings"] if found["verdict"] == "note"]
    assert any("Setting `list_ids` is empty: the events of all audiences are read" in text for text in notes)
    assert status == 0


def test_it_ends_in_a_bounded_time(project):
    """A server that accepts and never answers, a database that does not either."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        project.variables["EPICOR_BASE_URL"] = f"http://127.0.0.1:{port}/kinetic"
        project.variables["AUDIT_DATABASE_URL"] = f"postgresql://nobody:nothing@127.0.0.1:{port}/audit"
        # To wait for an answer takes longer than a test may last.
        for plugin in ("TAP_EPICOR_KINETIC", "TARGET_EPICOR_CONTACTS"):
            project.variables[f"{plugin}_REQUEST_TIMEOUT"] = "3600"
        project.write()
        ended = project.run("connector-doctor", "--seconds", "2")

    assert ended.returncode == 1
    assert "was not done within 2 s" in ended.stdout


def test_a_plugin_alone_needs_no_project(project, tmp_path):
    file = tmp_path / "config.json"
    file.write_text('{"list_id": "a1b2c3"}')
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    ended = Project(alone, {}, {}).run(
        "connector-doctor", "target-mailchimp", "--config", str(file), "--seconds", "300"
    )

    assert ended.returncode == 1
    assert "`api_key` belongs in the file of --config, or as TARGET_MAILCHIMP_API_KEY" in ended.stdout
    assert Path(alone).exists()


@pytest.mark.parametrize("plugin", ["tap-epicor-kinetic", "tap-mailchimp-webhooks", "target-mailchimp"])
def test_a_plugin_without_settings_fails_its_own_check(plugin, project, tmp_path):
    file = tmp_path / "config.json"
    file.write_text("{}")
    ended = project.run(plugin, "--config", str(file), "--test", folder="elsewhere")

    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert ended.stderr.splitlines()[-1].endswith("with --config=ENV.")


class Imports:
    """An entry point that is loaded slowly, and notes how many were at it at once."""

    at_once: ClassVar[list[int]] = []
    busy: ClassVar[list[str]] = []

    def __init__(self, name: str) -> None:
        self.name = name

    def load(self) -> None:
        self.busy.append(self.name)
        time.sleep(0.05)
        self.at_once.append(len(self.busy))
        self.busy.remove(self.name)
        raise ImportError(self.name)


def test_plugins_are_imported_one_after_the_other():
    points: dict[Any, dict[str, Any]] = {Imports(name): {} for name in ("one", "two", "three")}
    found = examine_plugins(MeltanoProject(Path(), {}, "", {}, {}), points, 60)
    assert set(found) == {"one", "two", "three"}
    assert Imports.at_once == [1, 1, 1]
