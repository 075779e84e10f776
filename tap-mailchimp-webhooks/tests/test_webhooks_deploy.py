"""The files of deploy/ in the programs that they are for: they load, deliver, hold their limits, and keep the
path secret out of every log.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from tap_mailchimp_webhooks.events.delivery import FORM

DEPLOY = Path(__file__).parents[2] / "deploy"
SECRET = "a-path-secret-of-the-tests"
PATH = f"/webhooks/mailchimp/{SECRET}"
RECEIVER = "127.0.0.1:8080"
UNITS = sorted((DEPLOY / "systemd").iterdir()) if DEPLOY.is_dir() else []

Start = Callable[[str], "Proxy"]


@dataclass
class Proxy:
    """A proxy that publishes a receiver, and the folder of all that it writes."""

    port: int
    certificate: Path
    folder: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def post(self, data: bytes, path: str = PATH, **headers: str) -> requests.Response:
        return requests.post(
            self.url + path,
            data=data,
            headers={"Content-Type": FORM, **headers},
            verify=str(self.certificate),
            timeout=60,
        )

    def raw(self, request: bytes) -> bytes:
        """The first line of the answer to a request as it is written."""
        context = ssl.create_default_context(cafile=str(self.certificate))
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=60) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            answer = b""
            with suppress(OSError):
                connection.sendall(request)
                while some := connection.recv(65_536):
                    answer += some
            return answer.partition(b"\r\n")[0]

    def written(self) -> str:
        """All that it wrote into logs."""
        return "".join(file.read_text(errors="replace") for file in self.folder.glob("*.log"))


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed on this machine")
    return found


def replaced(name: str, changes: dict[str, str]) -> str:
    """A file of deploy/ for this machine; what it is told to change must be there."""
    text = (DEPLOY / name).read_text(encoding="utf-8")
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@contextmanager
def running(command: list[str], proxy: Proxy, wait_until: Callable[..., None]) -> Iterator[Proxy]:
    environment = {"HOME": str(proxy.folder), "PATH": os.environ["PATH"]}
    with (
        (proxy.folder / "output.log").open("wb") as output,
        subprocess.Popen(command, env=environment, stdout=output, stderr=output) as process,
    ):

        def answers() -> bool:
            assert process.poll() is None, proxy.written()
            with suppress(OSError), socket.create_connection(("127.0.0.1", proxy.port), timeout=5):
                return True
            return False

        try:
            wait_until(answers)
            yield proxy
        finally:
            process.terminate()


@contextmanager
def nginx(receiver: str, certificate: Path, folder: Path, wait_until: Callable[..., None]) -> Iterator[Proxy]:
    proxy = Proxy(free_port(), certificate, folder)
    names = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in names)
    (folder / "site.conf").write_text(
        replaced(
            "nginx/mailchimp-webhooks.conf",
            {
                RECEIVER: receiver,
                "listen 443 ssl;": f"listen 127.0.0.1:{proxy.port} ssl;",
                "listen [::]:443 ssl;": "",
                "/etc/ssl/hooks.example.com/fullchain.pem": str(certificate),
                "/etc/ssl/hooks.example.com/key.pem": str(certificate),
                "/var/log/nginx": str(folder),
            },
        )
    )
    user = "user root;" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder}/pid; error_log {folder}/main.log;\n"
        f"events {{}}\nhttp {{ {temporary} include {folder}/site.conf; }}\n"
    )
    command = [program("nginx"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    with running(command, proxy, wait_until):
        yield proxy


@contextmanager
def caddy(receiver: str, certificate: Path, folder: Path, wait_until: Callable[..., None]) -> Iterator[Proxy]:
    proxy = Proxy(free_port(), certificate, folder)
    file = folder / "Caddyfile"
    file.write_text(
        replaced(
            "caddy/Caddyfile",
            {
                RECEIVER: receiver,
                "hooks.example.com {": f"https://127.0.0.1:{proxy.port} {{\ntls {certificate} {certificate}",
                "/var/log/caddy": str(folder),
                "\tlog default": "\tadmin off\n\tauto_https disable_redirects\n\tlog default",
            },
        )
    )
    arguments = ["--config", str(file), "--adapter", "caddyfile"]
    subprocess.run([program("caddy"), "validate", *arguments], check=True, capture_output=True)
    with running([program("caddy"), "run", *arguments], proxy, wait_until):
        yield proxy


@pytest.fixture(params=[nginx, caddy], ids=["nginx", "caddy"])
def start_proxy(
    request: pytest.FixtureRequest,
    tls_certificate: Path,
    tmp_path: Path,
    wait_until: Callable[..., None],
) -> Iterator[Start]:
    """Starts a proxy in front of a receiver."""
    program(request.param.__name__)
    folder = tmp_path / "proxy"
    folder.mkdir()
    with ExitStack() as stack:

        def start(url: str) -> Proxy:
            opened: AbstractContextManager[Proxy] = request.param(
                url.removeprefix("http://"), tls_certificate, folder, wait_until
            )
            return stack.enter_context(opened)

        yield start


@pytest.mark.rule("R9")
def test_a_proxy_delivers_and_holds_its_limits(
    start_proxy: Start, start_receiver: Callable[..., str], form: Callable[..., bytes]
) -> None:
    proxy = start_proxy(start_receiver(wrong_secrets_per_minute=2))

    assert proxy.post(form(email="ada@example.com"), Referer=proxy.url + PATH).text == "stored"
    assert proxy.post(b"x" * 1_100_000).status_code in {413, 502}  # older versions of Caddy say the latter
    for path in ("/metrics", "/readyz", "/", "/webhooks/other"):
        assert proxy.post(b"", path).status_code == 404
    host = b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
    assert re.search(b" (400|414|431) ", proxy.raw(b"GET " + PATH.encode() + host + b"X: " + b"x" * 60_000))
    assert re.search(b" (403|404|405) ", proxy.raw(b"PUT " + PATH.encode() + host + b"\r\n"))
    # Nobody chooses the address by which he is counted.
    wrong = [
        proxy.post(b"", "/webhooks/mailchimp/wrong", **{"X-Forwarded-For": f"10.0.0.{number}"})
        for number in range(3)
    ]
    assert [answer.status_code for answer in wrong] == [404, 404, 429]
    assert SECRET not in proxy.written()
    assert "ada@example.com" not in proxy.written()


SPELLINGS = [
    PATH,
    f"/{PATH}",
    f"/x/..{PATH}",
    f"/%77ebhooks/mailchimp/{SECRET}",
    f"/webhooks%2Fmailchimp/{SECRET}",
    f"/webhooks/mailchimp//{SECRET}",
    f"/webhooks/mailchimp/./{SECRET}",
    f"{PATH}/",
    f"{PATH}?a=b",
    f"/?{PATH}",
    f"https://127.0.0.1{PATH}",
    f"/WEBHOOKS/mailchimp/{SECRET}",
]


@pytest.mark.rule("R9")
def test_no_log_of_a_proxy_shows_the_path_secret(start_proxy: Start, wait_until: Callable[..., None]) -> None:
    proxy = start_proxy(
        f"http://127.0.0.1:{free_port()}"
    )  # a receiver that does not run is told about as well

    for path in SPELLINGS:
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nReferer: {proxy.url}{PATH}\r\n"
        assert proxy.raw(f"{request}Connection: close\r\n\r\n".encode()).startswith(b"HTTP/1.1 ")

    wait_until(lambda: proxy.written().count("GET") >= len(SPELLINGS))
    assert SECRET not in proxy.written()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_understands_a_unit(unit: Path, tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    for one in UNITS:
        commands = re.sub(r"^(ExecStart=)\S+", rf"\1{sys.executable}", one.read_text(), flags=re.MULTILINE)
        (tmp_path / one.name).write_text(commands)

    verified = subprocess.run(
        [analyze, "verify", "--man=no", tmp_path / unit.name], capture_output=True, text=True, check=False
    )

    assert (verified.returncode, verified.stderr) == (0, "")


@pytest.mark.parametrize(
    "unit", [unit for unit in UNITS if unit.suffix == ".service"], ids=lambda one: one.name
)
def test_a_service_of_systemd_may_do_little(unit: Path) -> None:
    judged = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=true", "--no-pager", "--threshold=20", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert judged.returncode == 0, judged.stdout[-200:]
