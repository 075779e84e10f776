"""Follows a page of the documentation: types its commands, writes its blocks into .env and meltano.yml."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import certifi
import yaml
from stage import PROGRAMS, ROOT, Stage, borrow_plugins

NOT_HERE = frozenset({"cp", "curl", "git", "make", "ssh"})
"""Commands that would leave the project's folder, or the machine."""
ELSEWHERE = ("etc", "usr/local")
"""Folders of a machine that stand in the project's folder, below `machine`."""
PLACES = (
    "etc/caddy", "etc/kinetic-mailchimp", "etc/nginx/conf.d", "etc/ssl/certs", "etc/systemd/system",
    "usr/local/share/ca-certificates",
)  # fmt: skip
OURS = ("EPICOR_", "MAILCHIMP_", "AUDIT_")
MELTANO = """#!/bin/sh
# Meltano with the plugins that are installed already.
for word; do
    [ "$word" != install ] || exit 0
done
exec '{meltano}' "$@"
"""
MACHINE: dict[str, str] = {
    "sudo": """
        # Options of sudo, and the user that a file would belong to.
        [ "$1" != -u ] || shift 2
        for word; do
            shift
            case "$former" in -o) ;; *) [ "$word" = -o ] || set -- "$@" "$word" ;; esac
            former=$word
        done
        exec "$@"
    """,
    "systemd-run": """
        # Settings that root alone can read, for a command that runs as another user.
        for word; do
            case "$word" in
                --property=EnvironmentFile=*) set -a; . "${word##*=}"; set +a; shift ;;
                --*) shift ;;
                *) exec "$@" ;;
            esac
        done
    """,
    "systemctl": """
        # Units of this project must have been installed; `unit@job` is one of `unit@`.
        for unit; do
            case "$unit" in
                *\\**) ;;
                kinetic-mailchimp* | mailchimp-*)
                    file="{units}/$(echo "$unit" | sed 's/@[^.]*/@/')"
                    [ -e "$file" ] || [ -e "$file.service" ] || { echo "$unit is not installed"; exit 5; }
            esac
        done
    """,
    "update-ca-certificates": "cp '{bundle}' {folder}/etc/ssl/certs/ca-certificates.crt",
    **dict.fromkeys(("chown", "createdb", "createuser", "crontab", "journalctl", "nginx", "useradd"), ":"),
}
"""What stands in the place of a program that changes the machine."""


@dataclass(frozen=True)
class Command:
    """A line that a page shows after `$`.

    Attributes:
        line: What is typed.
        output: The lines that the page shows below it.
    """

    line: str
    output: tuple[str, ...]


KEY_FILE = ".config/kinetic-mailchimp/secret.key"
"""Where `make setup` makes the key of encrypted settings, in the home."""


@dataclass
class Project:
    """A project's folder of its own, in which a page is followed.

    Attributes:
        folder: With meltano.yml, the definitions of the plugins and a .env.
        stage: The simulators that it works with.
        instead: What stands in the place of a text of the page, such as a URL.
        said: What each command printed, by its line.
    """

    folder: Path
    stage: Stage
    instead: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)

    @classmethod
    def make(cls, folder: Path, stage: Stage) -> Project:
        """Copy what belongs to a project, and give it the stage's settings."""
        folder.mkdir()
        for name in ("meltano.yml", ".env.example", "logging.yaml", "requirements.lock"):
            shutil.copy(ROOT / name, folder / name)
        for name in ("deploy", "plugins"):
            shutil.copytree(ROOT / name, folder / name)
        settings = {name: value for name, value in stage.environment.items() if name.startswith(OURS)}
        # Databases where they are by default.
        settings = {name: "" if "DATABASE_URL" in name else value for name, value in settings.items()}
        lines = [f"{name}='{value}'" for name, value in settings.items()]
        (folder / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
        (folder / ".env").chmod(0o600)
        machine = folder / "machine"
        for place in PLACES:
            (machine / place).mkdir(parents=True)
        programs = {name: f"#!/bin/sh -e\n{script}\n" for name, script in MACHINE.items()}
        programs = {
            name: script.replace("{folder}", str(machine))
            .replace("{units}", str(machine / "etc/systemd/system"))
            .replace("{bundle}", certifi.where())
            for name, script in programs.items()
        }
        programs["meltano"] = MELTANO.format(meltano=PROGRAMS / "meltano")
        (folder / "bin").mkdir()
        for name, script in programs.items():
            (folder / "bin" / name).write_text(script, encoding="utf-8")
            (folder / "bin" / name).chmod(0o755)
        borrow_plugins(folder / ".meltano")
        return cls(folder, stage)

    def make_key(self) -> None:
        """Make the key of encrypted settings, as `make setup` does."""
        (self.folder / KEY_FILE).parent.mkdir(parents=True)
        file = f"{self.folder}/{KEY_FILE}"
        name = f"echo CONNECTOR_SECRET_KEY_FILE={file} >> .env"
        self.run(Command(f"connector-secrets keygen --file {file} && {name}", ()))

    def follow(self, page: Path, *sections: str) -> None:
        """Do everything that a page says, in its order.

        Args:
            page: A Markdown file.
            sections: The headings of the sections to follow; all without any.
        """
        text = page.read_text(encoding="utf-8")
        if sections:
            parts = {part.partition("\n")[0]: part for part in re.split(r"^## ", text, flags=re.MULTILINE)}
            text = "\n".join(parts[heading] for heading in sections)
        for step in steps(text):
            if isinstance(step, Command):
                self.run(step)
            elif step.startswith("# .env\n"):
                self._set(step)
            else:
                self._change(step)

    def run(self, command: Command) -> None:
        """Type one command, and compare what it says with the page."""
        line = self._with_instead(command.line)
        words = set(re.split(r"[\s|;&()\"]+", line))
        if words & NOT_HERE or re.search(r"…|https://", line):
            return
        own = (*OURS, "CONNECTOR_ENV_FILE", "MELTANO_DATABASE_URI")
        inherited = {
            name: value for name, value in self.stage.environment.items() if not name.startswith(own)
        }
        ended = subprocess.run(
            ["/bin/bash", "-ec", line],
            cwd=self.folder,
            env={
                **inherited,
                "HOME": str(self.folder),
                "MELTANO_AUTO_INSTALL": "false",
                "MELTANO_SYS_DIR_ROOT": str(self.folder / ".meltano"),
                "PATH": f"{self.folder}/bin:{PROGRAMS}:{os.environ['PATH']}",
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        said = self.said[command.line] = ended.stdout
        assert ended.returncode == 0, f"{line}\n{said}"
        for expected in command.output:
            assert re.search(_pattern(self._with_instead(expected)), said), f"{line}\n{said}\nnot: {expected}"

    def _set(self, block: str) -> None:
        lines = [line for line in block.splitlines()[1:] if not re.search(r"example\.com", line)]
        with (self.folder / ".env").open("a", encoding="utf-8") as file:
            file.writelines(
                f"{self._with_instead(line)}\n" for line in lines if "…" not in self._with_instead(line)
            )

    def _change(self, block: str) -> None:
        file = self.folder / "meltano.yml"
        project = merged(
            yaml.safe_load(file.read_text(encoding="utf-8")), yaml.safe_load(self._with_instead(block))
        )
        file.write_text(yaml.safe_dump(project, sort_keys=False), encoding="utf-8")

    def _with_instead(self, text: str) -> str:
        for former, latter in self.instead.items():
            text = text.replace(former, latter)
        text = text.replace("/srv/kinetic-mailchimp", str(self.folder)).replace(" .venv/bin/", " ")
        return re.sub(rf"(?<![\w.])/(?={'|'.join(ELSEWHERE)})", f"{self.folder}/machine/", text)


def steps(text: str) -> Iterator[Command | str]:
    """The commands of a page, its cron tables, and the blocks that belong into a file, in their order."""
    for match in re.finditer(
        r"^( *)```(console|cron|ini|yaml)\n(.*?)^\1```$", text, re.DOTALL | re.MULTILINE
    ):
        lines = [line[len(match[1]) :] for line in match[3].splitlines()]
        if match[2] == "cron":
            variables = " ".join(["export", *(line for line in lines if re.match(r"[A-Z_]+=", line))])
            for line in (line for line in lines if line[0] in "*0123456789"):
                yield Command(f"{variables} && {line.split(maxsplit=5)[5]}", ())
            continue
        if match[2] != "console":
            if lines[0] in ("# .env", "# meltano.yml"):
                yield "\n".join(lines)
            continue
        typed = [number for number, line in enumerate(lines) if line.startswith("$ ")]
        for number, end in zip(typed, [*typed[1:], len(lines)], strict=True):
            shown = [line for line in lines[number + 1 : end] if line.strip() not in ("", "…")]
            yield Command(lines[number][2:], tuple(shown))


def merged(there: Any, added: Any) -> Any:
    """What a person has who adds a block of a page in its place: what has a name goes to its namesake."""
    if isinstance(there, dict) and isinstance(added, dict):
        return {**there, **{key: merged(there.get(key), value) for key, value in added.items()}}
    if isinstance(there, list) and isinstance(added, list):
        named = {one["name"]: one for one in added if isinstance(one, dict)}
        kept = [merged(one, named.pop(one["name"], {})) if isinstance(one, dict) else one for one in there]
        return [*kept, *named.values(), *(one for one in added if not isinstance(one, dict))]
    return added


def _pattern(expected: str) -> str:
    escaped = re.escape(expected).replace("…", ".*")
    return re.sub(r"\d[\d,]*", r"[\\d,]+", escaped)
