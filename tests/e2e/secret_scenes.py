"""A whole run with every secret of the software in use, for the test that looks for them afterwards."""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import parse_qs, quote, urlsplit

import requests
from cryptography.fernet import Fernet
from dotenv import dotenv_values
from kinetic_mailchimp.kit.secrets.encryption import SecretBox
from secret_runs import DEBUG, NOBODY, OAUTH_FILE, SETTINGS_FILE, WRONG, operator_runs, plugin_runs
from stage import PROGRAMS, Stage, free_port

ENCRYPTED = (
    "EPICOR_PASSWORD",
    "EPICOR_CLIENT_SECRET",
    "MAILCHIMP_API_KEY",
    "MAILCHIMP_CLIENT_SECRET",
    "AUDIT_ENCRYPTION_KEY",
    "AUDIT_ALERT_URLS",
)
KEY_FILE = "connector.key"


def play(stage: Stage) -> dict[str, str]:
    """Do everything that this software does with a secret, well and badly.

    Args:
        stage: Without a receiver; its folder gets whatever is printed and written.

    Returns:
        What each secret is called → the secret.
    """
    secrets = _write_settings(stage) | WRONG
    secrets |= _authorize(stage)
    stage.start_receiver()
    stage.register_webhook()
    secrets |= _signing_secret(stage)
    _call_receiver(stage, secrets["MAILCHIMP_WEBHOOKS_SECRET"])
    with ThreadPoolExecutor(1) as beside:
        pipelines = beside.submit(_run_pipelines, stage)
        for run in plugin_runs(stage):
            run.on(stage)
        pipelines.result()
    for run in operator_runs(stage):
        run.on(stage)
    return secrets | _look_at_pages(stage, secrets["AUDIT_PAGES_TOKEN"]) | _beginning_of_tokens(stage)


def _write_settings(stage: Stage) -> dict[str, str]:
    """Put the settings into a file, encrypt some, change the key, and hand them to the commands to come."""
    secrets = {
        "EPICOR_API_KEY": str(stage.epicor["api_key"]),
        "EPICOR_PASSWORD": str(stage.epicor["password"]),
        "EPICOR_CLIENT_SECRET": str(stage.epicor["client_secret"]),
        "MAILCHIMP_API_KEY": str(stage.mailchimp["api_key"]),
        "MAILCHIMP_CLIENT_SECRET": str(stage.mailchimp["client_secret"]),
        "MAILCHIMP_WEBHOOKS_SECRET": "a-made-up-secret-in-the-path",
        "AUDIT_PAGES_TOKEN": "a-made-up-login for the <pages> & 'more'",
        "AUDIT_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }
    channel = "a-made-up/password of@a-channel"
    written = secrets | {"AUDIT_ALERT_URLS": f"json://alerts:{quote(channel, safe='')}@{NOBODY}/hook"}
    file, key_file = stage.folder / SETTINGS_FILE, stage.folder / KEY_FILE
    file.write_text("".join(f"{name}={json.dumps(value)}\n" for name, value in written.items()))
    stage.environment["CONNECTOR_SECRET_KEY_FILE"] = str(key_file)
    named = [argument for name in ENCRYPTED for argument in ("--name", name)]
    for log, arguments in {
        "keygen": ("keygen", "--file", str(key_file)),
        "encrypt": ("encrypt", "--env-file", str(file), *named),
        "keygen-add": ("keygen", "--file", str(key_file), "--add"),
        "rotate": ("rotate", str(file)),
    }.items():
        stage.run("connector-secrets", *arguments, log=log)
    stage.environment |= {name: value or "" for name, value in dotenv_values(file).items()}
    stage.environment["EPICOR_CLIENT_ID"] = str(stage.epicor["client_id"])
    new, old = key_file.read_text().split()
    return secrets | {
        "CONNECTOR_SECRET_KEY": new,
        "older CONNECTOR_SECRET_KEY": old,
        "password of a channel": channel,
    }


def _authorize(stage: Stage) -> dict[str, str]:
    """Get an access token, as a person does who agrees in a browser."""
    file = stage.folder / OAUTH_FILE
    addresses = {name: str(stage.mailchimp[f"{name}_url"]) for name in ("authorize", "token", "metadata")}
    with (stage.folder / "authorize.log").open("w") as log:
        process = subprocess.Popen(
            [
                str(PROGRAMS / "mailchimp-auth"),
                *("authorize", "--no-browser", f"--redirect-uri=http://127.0.0.1:{free_port()}/back"),
                *(f"--{name}-url={address}" for name, address in addresses.items()),
                f"--env-file={file}",
            ],
            env={**stage.environment, "MAILCHIMP_CLIENT_ID": str(stage.mailchimp["client_id"])},
            stdout=log,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stderr
        question = [process.stderr.readline() for _ in range(2)]
        answer = requests.get(question[-1].strip(), timeout=120)
        log.writelines([*question, process.communicate(timeout=60)[1]])
    assert process.returncode == 0
    token = dotenv_values(file)["MAILCHIMP_ACCESS_TOKEN"] or ""
    return {
        "authorization code": parse_qs(urlsplit(answer.url).query)["code"][0],
        "MAILCHIMP_ACCESS_TOKEN": SecretBox.from_environment(stage.environment).decrypt(token),
    }


def _signing_secret(stage: Stage) -> dict[str, str]:
    """What Mailchimp signs its deliveries with, out of the inbox."""
    with closing(sqlite3.connect(stage.folder / "inbox.sqlite3")) as inbox:
        ((sealed,),) = inbox.execute("SELECT signing_secret FROM inbox_hooks")
    return {"signing secret": SecretBox.from_environment(stage.environment).decrypt(sealed)}


def _call_receiver(stage: Stage, secret: str) -> None:
    """Send what Mailchimp, a stranger and a broken proxy send."""
    right = f"{stage.receiver_url}/webhooks/mailchimp/{secret}"
    wrong = f"{right[:-1]}x"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    signed = form | {"X-Mailchimp-Signature": f"t={int(time.time())},v1={'0' * 64}"}
    calls = (
        ("GET", right, form, b"", 200),
        ("GET", f"{right}/", form, b"", 404),
        ("GET", wrong, form, b"", 404),
        ("PUT", right, form, b"", 405),
        ("POST", wrong, form, b"type=unsubscribe", 404),
        ("POST", f"{right}?secret={secret}", signed, b"type=unsubscribe", 401),
        ("POST", right, form, b"\xff%zz&data[=[" * 9, 401),
        ("POST", right, form, b"x" * 2_000_000, 413),
    )
    with (stage.folder / "receiver-answers.log").open("w") as answers:
        for method, url, headers, body, status in calls:
            answer = requests.request(
                method, url, data=body, headers=headers, timeout=30, allow_redirects=False
            )
            answers.write(f"{answer.text}\n")
            assert answer.status_code == status, method
    with socket.create_connection(("127.0.0.1", urlsplit(right).port or 80), timeout=120) as raw:
        raw.sendall(f"POST {urlsplit(right).path} HTTP/7.x\r\nno header\r\n\r\n".encode())
        assert b" 400 " in raw.recv(100)


def _run_pipelines(stage: Stage) -> None:
    """Both pipelines at debug level, with records that fail; then with a login that is refused."""

    def run(job: str, log: str, *, status: int = 0, **variables: str) -> None:
        command = (
            "meltano",
            "--environment=dev",
            "--log-config=none",
            "--log-level=debug",
            "run",
            "--no-install",
            job,
        )
        stage.run(*command, log=log, status=status, variables=DEBUG | variables)

    run("forward", "forward")
    for address in sorted(stage.members())[:5]:
        stage.person("unsubscribe", address)
    stage.mailchimp_control("POST", "/webhooks/flush")
    quoted = "{password} of {username} may not, nor may {api_key}.".format(**stage.epicor)
    stage.epicor_control("PUT", "/switches", json={"business_errors": {"Customer": quoted}})
    run("reverse", "reverse")
    stage.epicor_control("DELETE", "/switches")
    run("forward", "forward-refused", status=1, EPICOR_PASSWORD=WRONG["wrong password"])


def _look_at_pages(stage: Stage, token: str) -> dict[str, str]:
    """Log in to the pages, wrongly first, and look at all of them; what they answer is kept."""
    address = f"http://127.0.0.1:{free_port()}"
    port = str(urlsplit(address).port)
    stage.start("sync-audit", "serve", "--port", port, log="pages", url=address)
    with requests.Session() as browser, (stage.folder / "pages.html").open("w") as answers:
        for typed in (WRONG["wrong login"], token):
            login = browser.post(f"{address}/login", data={"token": typed, "next": "/"}, timeout=120)
            answers.write(login.text)
        for page in ("/", "/runs", "/runs/1", "/people", "/failures", "/consent"):
            answer = browser.get(f"{address}{page}", timeout=120)
            assert answer.status_code == requests.codes.ok, page
            answers.write(answer.text)
        session = browser.cookies["sync_audit_session"]
    return {"session of the pages": session.strip('"')}


def _beginning_of_tokens(stage: Stage) -> dict[str, str]:
    """What every token of the Epicor simulator begins with: it tells nobody which ones it gave to whom."""
    form = {
        "grant_type": "client_credentials",
        "client_id": stage.epicor["client_id"],
        "client_secret": stage.epicor["client_secret"],
        "scope": "epicor_erp",
    }
    token = str(requests.post(stage.epicor["token_url"], data=form, timeout=120).json()["access_token"])
    return {"tokens of Epicor": token[: token.rindex("-") + 1]}
