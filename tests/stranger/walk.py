"""Follows the READMEs as a stranger would: in an empty home, with only Python, git and make on the path.

The lines come from the READMEs themselves. The repository is cloned from the address that they name: git is
told where that is. Package indexes, mirrors and certificates are those of the machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from readme import script, sections
from site_links import broken_links

ROOT = Path(__file__).resolve().parents[2]
PLUGINS = {
    "tap-epicor-kinetic": ("connector-secrets", "mailchimp-auth"),
    "tap-mailchimp-webhooks": ("mailchimp-webhooks", "connector-secrets", "mailchimp-auth"),
    "target-mailchimp": ("sync-audit", "connector-secrets", "mailchimp-auth"),
    "target-epicor-contacts": ("sync-audit", "connector-secrets", "mailchimp-auth"),
}
"""Each plugin with the other programs that its user needs."""
OF_THE_MACHINE = (".config/pip", ".config/uv", ".pip", ".netrc")
"""Files of a home that say where packages come from."""
NEEDED = ("CERT", "INDEX", "LANG", "LC_", "NO_PROXY", "PIP_", "PROXY", "SSL_", "TMPDIR", "UV_")
"""Variables of the machine that the stranger has too, by a part of their name."""
HASTE = {"NO_COLOR": "1", "PIP_NO_COMPILE": "no"}
"""pip compiles nothing (it takes this for the value of `compile`): each program is started once or twice."""
LEFT_TO_CI = ("Work on it",)
"""Sections of README.md for who changes the project: the other steps of .ci/run run these lines."""

FILL_IN = {
    "make setup": "SETUP_ANSWERS=~/answers make setup",
    "cp .env.example .env": "cp .env.example .env && chmod 600 .env && cat ~/answers >> .env\n"
    'echo "MAILCHIMP_WEBHOOKS_SECRET=$(mailchimp-webhooks secret)" >> .env',
}
"""What a person does at the line that the README has of these."""
NO_DEMO = "EPICOR_BASE_URL=https://nowhere.invalid/erp\nMAILCHIMP_BASE_URL=https://nowhere.invalid/3.0\n"
"""Settings with which a pipeline would fail at once."""
STATE_BACKENDS = """
uv pip install --constraint requirements.lock "meltano[s3,gcs,azure]"
python -c "import azure.storage.blob, boto3, google.cloud.storage"
"""
SERVE = """
mailchimp-webhooks serve &
until python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", sys.argv[1]))' $PORT; do
    kill -0 $!
    sleep 1
done
"""


class Walk:
    """A home, and what is done in it.

    Attributes:
        home: Everything lies in here.
        environment: The variables of the stranger.
    """

    def __init__(self, home: Path) -> None:
        """Make the home, and the address that git takes the repository from."""
        self.home = home
        for name in OF_THE_MACHINE:
            with contextlib.suppress(FileNotFoundError):
                copy = shutil.copytree if (Path.home() / name).is_dir() else shutil.copy
                (home / name).parent.mkdir(parents=True, exist_ok=True)
                copy(Path.home() / name, home / name)
        programs = home / "programs"
        programs.mkdir()
        for name, program in (("python3", sys.executable), ("git", ""), ("make", "")):
            (programs / name).symlink_to(program or str(shutil.which(name)))
        kept = {
            name: value for name, value in os.environ.items() if any(part in name.upper() for part in NEEDED)
        }
        self.environment = {**kept, "HOME": str(home), "PATH": f"{programs}:/usr/bin:/bin", **HASTE}
        self.publish()

    def publish(self) -> None:
        """Commit the files of the checkout as they are to a repository behind the address of the READMEs."""
        listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split("\0")
        published = self.home / "published"
        for name in filter(None, files):
            if (ROOT / name).exists():
                (published / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, published / name)
        address = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"][
            "Repository"
        ]
        self.run(
            "publish",
            f"git config --global url.file://{published}.insteadOf {address}\n"
            "git config --global init.defaultBranch main\n"
            f"cd {published} && git init --quiet && git add --all\n"
            "git config user.name Stranger && git config user.email stranger@example.com\n"
            "git commit --quiet --message 'As it is'\n"
            f"git clone --quiet {address} {self.home}/checkout\n",
        )

    def run(self, name: str, text: str, folder: str = "", **variables: str) -> None:
        """Run a script to its end.

        Args:
            name: Of the step, and of its log.
            text: For bash.
            folder: Where, in the home.
            variables: Beside those of the stranger.

        Raises:
            SystemExit: It failed; the message has the end of what it printed.
        """
        log = self.home / f"{name.replace(' ', '-')}.log"
        with log.open("w") as output:
            ended = subprocess.run(
                ["/bin/bash", "-c", f"set -eu\n{text}"],
                cwd=self.home / folder,
                env={**self.environment, **variables},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
        if ended.returncode:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-30:])
            raise SystemExit(f"{name} ended with status {ended.returncode}:\n{last}")

    def environment_of(self, name: str, options: str = "") -> str:
        """The lines that make a virtual environment in a folder of its own, with `uv`, and go there."""
        return (
            f"mkdir {self.home}/{name} && cd {self.home}/{name}\n"
            f"python3 -m venv {options} .venv && . .venv/bin/activate\n"
            f"ln -s {self.home}/tools/bin/uv .venv/bin/uv && ln -s {self.home}/checkout/dist dist\n"
        )


def install(walk: Walk, plugin: str, source: int, program: str) -> None:
    """Install a plugin by a line of its README and start each program that shall come with it.

    Args:
        walk: The home.
        plugin: Its name.
        source: Which of the lines: 0 from git, 1 from wheels.
        program: `pip`, or `uv pip` in its place.
    """
    lines = sections(ROOT / plugin / "README.md")["Install"]
    wanted = [line for line in lines if not line.startswith(("pip ", "meltano "))]
    wanted.append([line for line in lines if line.startswith("pip ")][source].replace("pip", program, 1))
    name = f"{plugin} from {('git', 'wheels')[source]} by {program}"
    checks = "".join(f"{command} --help\n" for command in PLUGINS[plugin])
    about = f"{plugin} --version\n{plugin} --about --format=json | grep capabilities\n"
    begin = walk.environment_of(name.replace(" ", "-"), "" if program == "pip" else "--without-pip")
    walk.run(name, begin + script(wanted, {}) + about + checks)


def add_to_meltano(walk: Walk, plugin: str, backend: str) -> None:
    """Add a plugin to somebody's Meltano project by the line of its README.

    Args:
        walk: The home.
        plugin: Its name.
        backend: Of Meltano's environments.
    """
    lines = [line for line in sections(ROOT / plugin / "README.md")["Install"] if line.startswith("meltano ")]
    name = f"{plugin} into Meltano by {backend}"
    folder = name.replace(" ", "-")
    checks = f"meltano invoke {plugin} --about --format=json | grep capabilities\n"
    if plugin == "tap-mailchimp-webhooks":
        checks += f"meltano invoke {plugin}:secret\n"
    walk.run(
        name,
        f"export PATH={walk.home}/tools/bin:$PATH CHECKOUT={walk.home}/checkout\n"
        f"meltano init {folder} --no-usage-stats && cd {folder}\n"
        f"printf 'venv:\\n  backend: {backend}\\n' >> meltano.yml\n" + script(lines, {}) + checks,
    )


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def simulators(checkout: Path) -> Iterator[str]:
    """Start both vendors, for the length of a `with` block: the lines of .env that lead to them."""
    with contextlib.ExitStack() as stack:
        said = []
        for command in (("simulate-epicor", "--customers", "50"), ("simulate-mailchimp",)):
            process = subprocess.Popen(
                [checkout / ".venv/bin" / command[0], *command[1:], "--port", "0"],
                stdout=subprocess.PIPE,
                text=True,
            )
            stack.enter_context(process)
            stack.callback(process.terminate)
            assert process.stdout is not None
            said.append(json.loads(process.stdout.readline()))
        epicor, mailchimp = said
        yield (
            f"EPICOR_BASE_URL={epicor['base_url']}\nEPICOR_COMPANIES={','.join(epicor['companies'])}\n"
            f"EPICOR_API_KEY={epicor['api_key']}\nEPICOR_USERNAME={epicor['username']}\n"
            f"EPICOR_PASSWORD={epicor['password']}\n"
            f"MAILCHIMP_API_KEY={mailchimp['api_key']}\nMAILCHIMP_BASE_URL={mailchimp['base_url']}\n"
            f"MAILCHIMP_LIST_ID={mailchimp['list_id']}\nMAILCHIMP_LIST_IDS={mailchimp['list_id']}\n"
        )


def follow_readme(walk: Walk) -> None:
    """Run every console line of README.md, section by section, as it stands there."""
    checkout = walk.home / "checkout"
    for heading, lines in sections(ROOT / "README.md").items():
        if heading in LEFT_TO_CI:
            continue
        name = f"README {heading}"
        if "own" in heading.split():
            # The wheels are there; who builds them again would take them from the steps beside this one.
            text = script(lines, {"make wheels": "ls dist"})
            walk.run(name, walk.environment_of("own") + f"cd {checkout}\n" + text)
        elif not any(line.startswith("mailchimp-webhooks serve") for line in lines):
            # The demo looks at no settings of a real system.
            (checkout / ".env").write_text(NO_DEMO, encoding="utf-8")
            walk.run(name, script(lines, {"make test": ": .ci/run does"}), "checkout", DEMO_CUSTOMERS="50")
            (checkout / ".env").unlink()
        else:
            port = free_port()
            with simulators(checkout) as answers:
                text = f"{answers}MAILCHIMP_WEBHOOKS_PORT={port}\n"
                (walk.home / "answers").write_text(text, encoding="utf-8")
                filled = {b: text for b, text in FILL_IN.items() if any(line.startswith(b) for line in lines)}
                treated = {
                    **filled,
                    "uv pip install": STATE_BACKENDS,
                    "mailchimp-webhooks serve": SERVE,
                    "mailchimp-webhooks register": f"mailchimp-webhooks register --url http://127.0.0.1:{port}",
                }
                walk.run(name, script(lines, treated), "checkout", PORT=str(port))


def ask_the_doctor(walk: Walk) -> None:
    """Make typical mistakes in a project, and compare what the doctor says with what it should."""
    walk.run("doctor", ".venv/bin/python -m pytest -q tests/doctor/test_doctor.py", "checkout")


def read_the_site(walk: Walk) -> None:
    """Build the documentation, and follow each link in it."""
    walk.run("site", "make docs-site", "checkout")
    if broken := list(broken_links(walk.home / "checkout" / "site")):
        raise SystemExit("Links of the site lead nowhere:\n" + "\n".join(broken))


def main() -> None:
    """Walk, and tell how long each step took."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="stranger-") as folder:
        walk = Walk(Path(folder))
        walk.run(
            "tools",
            "python3 -m venv tools && . tools/bin/activate && pip install uv && uv pip install meltano",
        )
        walk.run("make wheels", "make wheels", "checkout")
        steps: list[tuple[Callable[..., None], tuple[object, ...]]] = [
            (follow_readme, ()),
            (ask_the_doctor, ()),
            (read_the_site, ()),
        ]
        for plugin in PLUGINS:
            steps += [
                (install, (plugin, source, program)) for source in (0, 1) for program in ("pip", "uv pip")
            ]
            steps += [(add_to_meltano, (plugin, backend)) for backend in ("virtualenv", "uv")]
        with ThreadPoolExecutor(4) as pool:
            ended = [pool.submit(step, walk, *arguments) for step, arguments in steps]
        failed = [str(error) for error in (future.exception() for future in ended) if error]
    for text in failed:
        sys.stderr.write(f"{text}\n\n")
    if failed:
        raise SystemExit(f"{len(failed)} of {len(steps)} steps failed.")
    sys.stdout.write(f"The READMEs hold: {len(steps)} steps in {time.monotonic() - began:.0f} s.\n")


if __name__ == "__main__":
    main()
