"""Which commands run for the test that looks for secrets: well and badly, each with how it must end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import forked
import yaml
from cryptography.fernet import Fernet
from dotenv import dotenv_values
from stage import NOTHING, ROOT, Stage

SETTINGS_FILE, OAUTH_FILE = "settings.env", "oauth.env"
DEBUG = {"LOGLEVEL": "DEBUG"}
NOBODY = "127.0.0.1:9"

WRONG = {
    # With characters that change their form in a URL, in JSON, in quotes and in a header.
    "wrong password": "wr0ng \"p&ss%/w\u00f6rd' 1",
    "wrong API key": "wr0ng-key+of/epicor==",
    "wrong client secret": "wr0ng+secret/of&client",
    "wrong key of Mailchimp": "wr0ng'key\"of-mailchimp-us1",
    "wrong token of Mailchimp": "wr0ng-token%of-mailchimp",
    "wrong login": "wr0ng token & of the <pages>",
    "wrong CONNECTOR_SECRET_KEY": Fernet.generate_key().decode(),
    "wrong AUDIT_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    "password of a database": "p'ss/w0rd of%25 the+database",
    "rest of a password with an @": "rest-0f-a-password",
    "password of a gateway": "passw0rd-of-a-gateway",
}
"""What is refused is as secret as what is right: it may be right elsewhere, or but for a letter."""

DATABASE = f"postgresql://audit:{quote(WRONG['password of a database'], safe='')}@{NOBODY}/trail"
BROKEN_DATABASE = f"postgresql://audit:p@ss:{WRONG['rest of a password with an @']}@{NOBODY}/trail"
OTHER_KEY = {"CONNECTOR_SECRET_KEY": WRONG["wrong CONNECTOR_SECRET_KEY"]}

MEMBER = {"email_address": "somebody.else@example.com"}
OPT_OUT = {
    "event_id": "one",
    "email": "somebody.else@example.com",
    "occurred_at": "2026-03-01T09:30:00Z",
    "contact_status": "unsubscribed",
}


@dataclass(frozen=True)
class Run:
    """A command and how it must end; its log has the name of what it does."""

    log: str
    command: tuple[str, ...]
    status: int = 0
    variables: Mapping[str, str] = field(default_factory=dict)

    def on(self, stage: Stage) -> None:
        """Run it."""
        log = stage.folder / f"{self.log}.log"
        ended = forked.run(self.command, {**stage.environment, **self.variables}, log)
        assert ended == self.status, f"{self.log} ended with {ended}: {log.read_text()[-2_000:]}"


def plugin_runs(stage: Stage) -> Iterator[Run]:
    """Each plugin by itself: what it says of itself, each kind of login, and what is refused."""
    for plugin in _configured():
        yield _alone(stage, plugin, "about", "--about", "--format=json")
        yield _alone(stage, plugin, "help", "--help")
    token = dotenv_values(stage.folder / OAUTH_FILE)["MAILCHIMP_ACCESS_TOKEN"] or ""
    by_token = {"api_key": "", "access_token": token}
    oauth2 = {"auth_method": "oauth2", "token_url": str(stage.epicor["token_url"])}
    opt_out, member = (
        _messages(stage.folder / f"{stream}.jsonl", stream, record)
        for stream, record in (("contact_updates", OPT_OUT), ("members", MEMBER))
    )
    yield _alone(stage, "tap-epicor-kinetic", "oauth2", settings=oauth2)
    yield _alone(stage, "target-epicor-contacts", "oauth2", f"--input={opt_out}", settings=oauth2)
    yield _alone(stage, "target-epicor-contacts", "test", "--test")
    yield _alone(stage, "target-mailchimp", "token", f"--input={member}", settings=by_token)
    yield _alone(stage, "target-mailchimp", "test", "--test")
    for plugin, records in (("target-mailchimp", member), ("target-epicor-contacts", opt_out)):
        yield _alone(stage, plugin, "reconcile", f"--input={records}", settings={"reconcile": "true"})
    yield _alone(stage, "tap-mailchimp-webhooks", "test", "--test", settings=by_token)
    for form in ("headers", "basic", "form"):
        token_resource = {"auth_method": "token_resource", "token_request": form}
        yield _alone(stage, "tap-epicor-kinetic", f"test-{form}", "--test", settings=token_resource)
    yield from _refused_runs(stage, oauth2)


def _refused_runs(stage: Stage, oauth2: Mapping[str, str]) -> Iterator[Run]:
    wrong_password = {"password": WRONG["wrong password"]}
    form = {"auth_method": "token_resource", "token_request": "form"}
    cut_off = stage.environment["MAILCHIMP_API_KEY"][:-4]
    for plugin, name, settings in (
        ("tap-epicor-kinetic", "key", {"api_key": WRONG["wrong API key"]}),
        ("tap-epicor-kinetic", "oauth2", {**oauth2, "client_secret": WRONG["wrong client secret"]}),
        ("tap-epicor-kinetic", "nowhere", {"base_url": f"http://{NOBODY}/kinetic"}),
        ("tap-epicor-kinetic", "gateway", {"base_url": _behind_gateway(str(stage.epicor["base_url"]))}),
        ("target-epicor-contacts", "password", {**form, **wrong_password}),
        ("target-epicor-contacts", "database", {"audit_database_url": DATABASE}),
        ("target-mailchimp", "key", {"api_key": WRONG["wrong key of Mailchimp"]}),
        ("target-mailchimp", "cut-off", {"api_key": cut_off}),
        ("target-mailchimp", "database", {"audit_database_url": BROKEN_DATABASE}),
        (
            "tap-mailchimp-webhooks",
            "token",
            {"api_key": "", "access_token": WRONG["wrong token of Mailchimp"]},
        ),
        ("tap-mailchimp-webhooks", "database", {"inbox_database_url": DATABASE}),
    ):
        yield _alone(stage, plugin, f"refused-{name}", "--test", status=1, settings=settings)
    yield _alone(stage, "tap-epicor-kinetic", "other-key", "--test", status=1, variables=OTHER_KEY)
    broken = stage.folder / "broken-state.json"
    broken.write_text("{")
    yield _alone(stage, "tap-epicor-kinetic", "traceback", f"--state={broken}", status=1)


def operator_runs(stage: Stage) -> Iterator[Run]:
    """What an operator types after some runs, with settings that work and with some that do not."""
    yield _alone(stage, "tap-mailchimp-webhooks", "all-streams")
    settings, exported = str(stage.folder / SETTINGS_FILE), str(stage.folder / "export.json")
    own, gateway = stage.receiver_url, _behind_gateway(stage.receiver_url)
    nobody = _behind_gateway(f"http://{NOBODY}")
    refused = {"MAILCHIMP_API_KEY": WRONG["wrong key of Mailchimp"]}
    inbox = "MAILCHIMP_WEBHOOKS_INBOX_DATABASE_URL"
    wrong_key = {"AUDIT_ENCRYPTION_KEY": WRONG["wrong AUDIT_ENCRYPTION_KEY"]}
    replay = ("replay", "--plugin", "target-epicor-contacts")
    decrypt = ("decrypt", "--env-file", settings, "--name", "EPICOR_PASSWORD")
    for name, command, status, variables in (
        ("check", ("connector-secrets", "check", settings), 1, {}),
        ("decrypt-other-key", ("connector-secrets", *decrypt), 2, OTHER_KEY),
        ("register-gateway", ("mailchimp-webhooks", "register", "--url", gateway), 1, {}),
        ("register-again", ("mailchimp-webhooks", "register", "--url", own), 0, {}),
        ("register-nowhere", ("mailchimp-webhooks", "register", "--url", f"http://{NOBODY}"), 1, {}),
        ("status", ("mailchimp-webhooks", "status"), 0, {}),
        ("status-json", ("mailchimp-webhooks", "status", "--json"), 0, {}),
        ("status-refused", ("mailchimp-webhooks", "status"), 1, refused),
        ("status-database", ("mailchimp-webhooks", "status"), 1, {inbox: DATABASE}),
        ("status-broken-database", ("mailchimp-webhooks", "status"), 1, {inbox: BROKEN_DATABASE}),
        ("audit-runs", ("sync-audit", "runs"), 0, {}),
        ("audit-run", ("sync-audit", "run", "1"), 0, {}),
        ("audit-search", ("sync-audit", "search", "--limit", "10000"), 0, {}),
        ("audit-failures", ("sync-audit", "failures", "--format", "json"), 0, {}),
        ("audit-export", ("sync-audit", "export", "--output", exported), 0, {}),
        (
            "audit-drift",
            ("sync-audit", "drift"),
            3,
            {},
        ),  # no whole read
        ("audit-verify", ("sync-audit", "verify"), 0, {}),
        ("audit-database", ("sync-audit", "runs"), 3, {"AUDIT_DATABASE_URL": DATABASE}),
        ("audit-broken-database", ("sync-audit", "runs"), 3, {"AUDIT_DATABASE_URL": BROKEN_DATABASE}),
        ("audit-other-key", ("sync-audit", *replay), 3, wrong_key),
        ("alert", ("sync-audit", "alert", "--failures", "0", "--receiver-url", own), 3, {}),
        ("alert-gateway", ("sync-audit", "alert", "--dry-run", "--receiver-url", nobody), 3, {}),
    ):
        yield Run(name, command, status, variables)


def _behind_gateway(url: str) -> str:
    return url.replace("://", f"://gateway:{WRONG['password of a gateway']}@")


def _configured() -> dict[str, Mapping[str, Any]]:
    """What meltano.yml sets for each plugin; those that inherit are the same programs once more."""
    plugins = yaml.safe_load((ROOT / "meltano.yml").read_text(encoding="utf-8"))["plugins"]
    own = [plugin for kind in ("extractors", "loaders") for plugin in plugins[kind] if "variant" in plugin]
    return {plugin["name"]: plugin["config"] for plugin in own}


def _alone(
    stage: Stage,
    plugin: str,
    name: str,
    *options: str,
    status: int = 0,
    settings: Mapping[str, str] = NOTHING,
    variables: Mapping[str, str] = NOTHING,
) -> Run:
    """A plugin without Meltano, with what meltano.yml sets for it in its environment."""
    known = {
        setting: stage.environment[value.removeprefix("$")]
        for setting, value in _configured()[plugin].items()
        if str(value).startswith("$") and value.removeprefix("$") in stage.environment
    }
    prefix = plugin.replace("-", "_").upper()
    given = {f"{prefix}_{setting.upper()}": value for setting, value in {**known, **settings}.items()}
    return Run(
        f"{plugin}-{name}", (plugin, "--config=ENV", *options), status, {**DEBUG, **given, **variables}
    )


def _messages(file: Path, stream: str, record: Mapping[str, str]) -> Path:
    """A file with a record of texts, whose first one is its key, and its schema before it."""
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in record}}
    lines = (
        {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": list(record)[:1]},
        {"type": "RECORD", "stream": stream, "record": record},
    )
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file
