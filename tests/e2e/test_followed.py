"""Pages of the documentation that need no pipeline, followed from their own words."""

from __future__ import annotations

import sys

from dotenv import dotenv_values
from followed import Command, Project
from stage import ROOT, free_port

HOW_TO = ROOT / "docs" / "how-to"
URL = "https://hooks.example.com"
KEY = Command("connector-secrets keygen --file key && echo CONNECTOR_SECRET_KEY_FILE=$PWD/key >> .env", ())


def served(command: str, port: int) -> str:
    """A command of the shell that runs another one beside a receiver."""
    return (
        f"mailchimp-webhooks serve --port {port} & trap 'kill %1; wait' EXIT; "
        f"until (: < /dev/tcp/127.0.0.1/{port}) 2> /dev/null; do kill -0 %1; sleep 0.1; done; {command}"
    )


def settings(project: Project) -> dict[str, str | None]:
    return dotenv_values(project.folder / ".env")


def test_a_receiver_is_set_up_and_taken_away(project):
    port = free_port()
    here = f"http://127.0.0.1:{port}"
    register = f"mailchimp-webhooks register --url {URL}"
    serve = 'mailchimp-webhooks serve --on-event "meltano --environment=prod run reverse"'
    project.instead = {register: served(register, port), serve: served("true", port), URL: here}

    project.follow(HOW_TO / "schedule.md", "With systemd")
    (project.folder / "machine/etc/kinetic-mailchimp/pipelines.env").rename(project.folder / ".env")
    project.follow(HOW_TO / "receiver.md")

    assert "registered" in project.said[register]
    units = {unit.name for unit in (project.folder / "machine/etc/systemd/system").iterdir()}
    assert units == {unit.name for unit in (ROOT / "deploy/systemd").iterdir()}

    project.follow(HOW_TO / "uninstall.md")

    assert not list((project.folder / "machine/etc/systemd/system").iterdir())
    status = Command("mailchimp-webhooks status || true", ())
    project.run(status)
    assert here not in project.said[status.line]


def test_every_key_is_changed(project):
    port = free_port()
    new_secret = "mailchimp-webhooks secret"
    rotate = f"mailchimp-webhooks rotate-secret --url {URL}"
    register = Command(
        served(f"mailchimp-webhooks register --url http://127.0.0.1:{port}", port), ("…registered…",)
    )
    project.instead = {
        "--file ~/.config/connector.key": "--file key",
        # The person at the keyboard: NEW,OLD in .env.
        new_secret: f"old=$(sed -n \"s/^MAILCHIMP_WEBHOOKS_SECRET='\\(.*\\)'/\\1/p\" .env) && "
        f'sed -i "s/^MAILCHIMP_WEBHOOKS_SECRET=.*/MAILCHIMP_WEBHOOKS_SECRET=$({new_secret}),$old/" .env',
        rotate: served(rotate, port),
        URL: f"http://127.0.0.1:{port}",
    }
    before = settings(project)
    project.run(KEY)
    project.run(register)
    project.run(Command("connector-secrets encrypt --env-file .env --name EPICOR_PASSWORD", ()))

    project.follow(HOW_TO / "rotate-keys.md")

    after = settings(project)
    for name in ("EPICOR_API_KEY", "EPICOR_PASSWORD", "MAILCHIMP_API_KEY"):
        assert str(after[name]).startswith("enc:")
    assert str(after["MAILCHIMP_WEBHOOKS_SECRET"]).endswith(f",{before['MAILCHIMP_WEBHOOKS_SECRET']}")
    assert len((project.folder / "key").read_text().split()) == 2


def test_a_server_without_a_browser_gets_a_token(project, documented):
    known = documented.mailchimp
    authorize = "mailchimp-auth authorize --no-browser --env-file .env"
    urls = " ".join(f"--{name}-url={known[f'{name}_url']}" for name in ("authorize", "token", "metadata"))
    agree = "import requests, sys; requests.get(sys.argv[1])"
    project.instead = {
        authorize: f"MAILCHIMP_CLIENT_ID={known['client_id']} "
        f"MAILCHIMP_CLIENT_SECRET={known['client_secret']} {authorize} {urls} --redirect-uri=http://127.0.0.1:{free_port()}/mailchimp 2> said & "
        "until grep -q ^http said; do kill -0 %1; sleep 0.1; done; "
        f"""{sys.executable} -c '{agree}' "$(grep ^http said)"; wait %1""",
    }
    project.run(KEY)

    project.follow(HOW_TO / "oauth-headless.md")

    assert str(settings(project)["MAILCHIMP_ACCESS_TOKEN"]).startswith("enc:")


def test_one_bundle_is_for_everything(project):
    (project.folder / "our-ca.crt").touch()
    (project.folder / "machine/etc/kinetic-mailchimp/epicor-ca.pem").touch()

    project.follow(HOW_TO / "private-ca.md")

    assert "can be read." in project.said["meltano invoke tap-epicor-kinetic --test"]
    assert "Mailchimp answers" in project.said["meltano invoke target-mailchimp --test"]
