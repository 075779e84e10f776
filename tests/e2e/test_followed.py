"""Pages of the documentation that need no pipeline, followed from their own words."""

from __future__ import annotations

import sys

import pytest
from dotenv import dotenv_values
from followed import KEY_FILE, Command, Project
from stage import ROOT, free_port

HOW_TO = ROOT / "docs" / "how-to"
URL = "https://hooks.example.com"
LOGINS = ("EPICOR_API_KEY", "EPICOR_PASSWORD", "MAILCHIMP_API_KEY")


def served(command: str, port: int) -> str:
    """A command of the shell that runs another one beside a receiver."""
    return (
        # What an earlier one said is gone before this one is waited for.
        "rm -f receiver.log; "
        f"mailchimp-webhooks serve --port {port} > receiver.log 2>&1 & trap 'kill %1; wait' EXIT; "
        f"until grep -qs 'running on' receiver.log; do kill -0 %1; sleep 0.1; done; {command}"
    )


def settings(project: Project) -> dict[str, str | None]:
    return dotenv_values(project.folder / ".env")


def test_a_receiver_is_set_up_and_taken_away(project):
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    register = f"mailchimp-webhooks register --url {URL}"
    serve = 'mailchimp-webhooks serve --on-event "meltano --environment=prod run reverse"'
    project.instead = {
        register: served(register, port),
        serve: served("true", port),
        URL: here,
        # No run was yet.
        "sync-audit runs": "true",
        "sync-audit export --output trail.jsonl": "true",
    }

    project.make_key()
    project.follow(HOW_TO / "schedule.md", "With systemd")
    (project.folder / "machine/etc/kinetic-mailchimp/receiver.env").touch()
    (project.folder / "machine/etc/kinetic-mailchimp/pipelines.env").rename(project.folder / ".env")
    project.follow(HOW_TO / "receiver.md")

    assert "created" in project.said[register]
    units = {unit.name for unit in (project.folder / "machine/etc/systemd/system").iterdir()}
    assert units == {unit.name for unit in (ROOT / "deploy/systemd").iterdir()}

    project.follow(HOW_TO / "uninstall.md")

    assert not list((project.folder / "machine/etc/systemd/system").iterdir())
    status = Command("mailchimp-webhooks status || true", ())
    project.run(status)
    assert here not in project.said[status.line]


def test_every_key_is_changed(project):
    port = free_port()
    variable = "MAILCHIMP_WEBHOOKS_SECRET"
    new_secret = "mailchimp-webhooks secret"
    old_secret = f"connector-secrets decrypt --env-file .env --name {variable}"
    rotate = f"mailchimp-webhooks rotate-secret --url {URL}"
    register = Command(
        served(f"mailchimp-webhooks register --url http://127.0.0.1:{port}", port), ("…created…",)
    )
    project.instead = {
        new_secret: f"{new_secret} > new",
        # The person at the keyboard: NEW,OLD in .env.
        old_secret: f"old=$({old_secret}) && sed -i s/^{variable}=.*/{variable}=$(cat new),$old/ .env",
        rotate: served(rotate, port),
        URL: f"http://127.0.0.1:{port}",
    }
    project.make_key()
    names = " ".join(f"--name {name}" for name in (*LOGINS, variable))
    project.run(Command(f"connector-secrets encrypt --env-file .env {names}", ()))
    before = settings(project)
    project.run(register)

    project.follow(HOW_TO / "rotate-keys.md")

    after = settings(project)
    for name in (*LOGINS, variable):
        assert str(after[name]).startswith("enc:")
        assert after[name] != before[name]
    assert len((project.folder / KEY_FILE).read_text().split()) == 2


def test_a_server_without_a_browser_gets_a_token(project, documented):
    known = documented.mailchimp
    authorize = "mailchimp-auth authorize --no-browser --env-file .env"
    urls = " ".join(f"--{name}-url={known[f'{name}_url']}" for name in ("authorize", "token", "metadata"))
    urls += f" --redirect-uri=http://127.0.0.1:{free_port()}/mailchimp"
    agree = "import requests, sys; requests.get(sys.argv[1])"
    project.instead = {
        authorize: f"MAILCHIMP_CLIENT_ID={known['client_id']} "
        f"MAILCHIMP_CLIENT_SECRET={known['client_secret']} {authorize} {urls} 2> said & "
        "until grep -q ^http said; do kill -0 %1; sleep 0.1; done; "
        f"""{sys.executable} -c '{agree}' "$(grep ^http said)"; wait %1; """
        "sed -i s/^MAILCHIMP_API_KEY=.*/MAILCHIMP_API_KEY=/ .env",
    }
    project.make_key()

    project.follow(HOW_TO / "oauth-headless.md")

    assert str(settings(project)["MAILCHIMP_ACCESS_TOKEN"]).startswith("enc:")
    doctor = "connector-doctor target-mailchimp tap-mailchimp-webhooks"
    assert "All is well." in project.said[doctor]


def test_one_bundle_is_for_everything(project):
    (project.folder / "our-ca.crt").touch()
    (project.folder / "machine/etc/kinetic-mailchimp/epicor-ca.pem").touch()

    project.follow(HOW_TO / "private-ca.md")

    assert "can be read." in project.said["meltano invoke tap-epicor-kinetic --test"]
    assert "Mailchimp answers" in project.said["meltano invoke target-mailchimp --test"]


@pytest.mark.rule("R10")
def test_a_wrong_setting_of_a_run_is_told_with_its_variable_and_file(project):
    line = "meltano --environment=prod run forward || true"
    project.run(Command("sed -i s/^EPICOR_PASSWORD=.*/EPICOR_PASSWORD=wrong/ .env", ()))

    project.run(Command(line, ()))

    said = project.said[line]
    assert f"EPICOR_PASSWORD and EPICOR_API_KEY in {project.folder}/.env." in said
    assert "EPICOR_PASSWORD" in said
    assert "TAP_EPICOR_KINETIC_" not in said
    assert "Traceback" not in said
