"""Keep settings encrypted: make keys, encrypt, decrypt, change the key, find secrets in clear.

The key comes from CONNECTOR_SECRET_KEY, from the file that CONNECTOR_SECRET_KEY_FILE names, or from the
keyring of the system, in this order; the two variables may stand in the .env of the project.

Exit status: 0 done; 1 `check` found a secret in clear; 2 the call, a key, a value or a file is wrong.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import click
from cryptography.fernet import Fernet

from kinetic_mailchimp.kit.errors import ConfigurationError
from kinetic_mailchimp.kit.project import env_file, read_env_file
from kinetic_mailchimp.kit.redaction.secret_names import references
from kinetic_mailchimp.kit.secrets.check import CLEAR, count_states, find_secrets
from kinetic_mailchimp.kit.secrets.encryption import PREFIX, SecretBox, is_encrypted, is_encrypted_in_part
from kinetic_mailchimp.kit.secrets.files import SettingsFile, Value, find_files, read_text
from kinetic_mailchimp.kit.secrets.keys import (
    KEY_FILE_VARIABLE,
    KEY_VARIABLE,
    read_keyring,
    split_keys,
    write_keyring,
)
from kinetic_mailchimp.kit.secrets.private_files import replace_files

FOUND_IN_CLEAR = 1
WRONG = 2

ENV_FILE = click.option(
    "--env-file", type=click.Path(path_type=Path), help="The .env file that holds the variable of --name."
)
FILES = click.argument("files", nargs=-1, type=click.Path(path_type=Path))


@click.group(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """Hold the commands."""


@commands.command()
@click.option("--file", type=click.Path(path_type=Path), help="Write the key into a new file, mode 0600.")
@click.option("--keyring", is_flag=True, help="Put the key into the keyring of the system.")
@click.option("--add", is_flag=True, help="Put the new key in front of those that are there already.")
def keygen(file: Path | None, *, keyring: bool, add: bool) -> None:
    """Print a new key, or store it; a key that exists is never overwritten."""
    if file and keyring:
        raise click.UsageError("Say --file or --keyring, not both.")
    if add and not (file or keyring):
        raise click.UsageError("--add needs --file or --keyring.")
    key = Fernet.generate_key().decode()
    if file:
        _key_into_file(key, file, add=add)
        click.echo(f"The key is in {file}. Set {KEY_FILE_VARIABLE}={file.resolve()}")
    elif keyring:
        _key_into_keyring(key, add=add)
        click.echo("The key is in the keyring of the system.")
    else:
        click.echo(key)


def _key_into_file(key: str, file: Path, *, add: bool) -> None:
    if add:
        old = read_text(file)
        replace_files({file: "".join(f"{line}\n" for line in (key, *split_keys(old)))})
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{file} exists; a key that is overwritten makes every value of it unreadable.",
            advice="Name another file, or put a new key in front with --add.",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be written: {error.strerror}.", advice="Name another file."
        ) from error
    with os.fdopen(descriptor, "w") as written:
        written.write(f"{key}\n")


def _key_into_keyring(key: str, *, add: bool) -> None:
    old = split_keys(read_keyring() or "")
    if old and not add:
        raise ConfigurationError(
            "The keyring holds a key; if it is overwritten, every value of it is unreadable.",
            advice="Put a new key in front with --add.",
        )
    write_keyring((key, *old))


@commands.command()
@ENV_FILE
@click.option("--name", "names", multiple=True, help="A variable to encrypt in place; may be repeated.")
def encrypt(env_file: Path | None, names: tuple[str, ...]) -> None:
    """Encrypt a secret that is asked for, or read from standard input, and print it as `enc:…`.

    With --env-file and --name, encrypt the values of variables in place; all else in the file stays as it is.
    """
    if (env_file is None) != (not names):
        raise click.UsageError("--env-file and --name go together.")
    if env_file:
        _encrypt_in_place(env_file, names)
    else:
        click.echo(SecretBox.from_environment(_environment()).encrypt(_read_secret()))


def _read_secret() -> str:
    if sys.stdin.isatty():
        return str(click.prompt("Secret", hide_input=True, confirmation_prompt=True, err=True))
    clear = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not clear:
        raise ConfigurationError(
            "There is nothing to encrypt on standard input.", advice="Give the secret, or run in a terminal."
        )
    if is_encrypted(clear):
        raise ConfigurationError(
            "The text on standard input is encrypted already.", advice="Give the secret in clear."
        )
    return clear


def _encrypt_in_place(env_file: Path, names: tuple[str, ...]) -> None:
    file = SettingsFile.read(env_file)
    wanted = [value for name in dict.fromkeys(names) for value in _values_of(file, name)]
    clear = [value for value in wanted if not is_encrypted(value.text)]
    for value in clear:
        if references(value.text):
            raise ConfigurationError(
                f"{file.place(value)} refers to another variable.", advice="Encrypt the value of that one."
            )
    if clear:
        box = SecretBox.from_environment(_environment())
        replace_files({env_file: file.with_encrypted({value: box.encrypt(value.text) for value in clear})})
    for value in wanted:
        done = "is encrypted now" if value in clear else "was encrypted already"
        click.echo(f"{file.place(value)} {done}.")


def _values_of(file: SettingsFile, name: str) -> list[Value]:
    """The values of a variable; more than one where it is set more than once."""
    found = [value for value in file.values if value.name == name]
    if not found:
        raise ConfigurationError(f"{file.path} does not set `{name}`.", advice="Check --name and --env-file.")
    for value in found:
        _check_whole(file.place(value), value.text)
    if not any(value.text for value in found):
        raise ConfigurationError(
            f"{file.place(found[-1])} is empty.", advice="Write the secret there first, in clear."
        )
    return [value for value in found if value.text]


@commands.command()
@click.argument("value", required=False)
@ENV_FILE
@click.option("--name", help="The variable whose value to decrypt.")
def decrypt(value: str | None, env_file: Path | None, name: str | None) -> None:
    """Print the secret that `enc:…` holds: VALUE, standard input, or a variable of a file."""
    if (env_file is None) != (name is None) or (value and name):
        raise click.UsageError("Give VALUE, or --env-file and --name together, or neither.")
    if env_file and name:
        file = SettingsFile.read(env_file)
        found = _values_of(file, name)[-1]
        text, place = found.text, file.place(found)
    else:
        text, place = value or sys.stdin.read().strip(), "The given value"
    box = SecretBox.from_environment(_environment())
    if not is_encrypted(text):
        raise ConfigurationError(
            f"{place}: this is not encrypted.", advice=f"An encrypted value begins with {PREFIX}"
        )
    click.echo(_naming_place(place, box.decrypt, text))


@commands.command()
@FILES
def rotate(files: tuple[Path, ...]) -> None:
    """Encrypt every `enc:…` value of FILES again, with the first key, where an older one made it.

    FILES are .env and YAML files or folders with a .env and a meltano.yml; the current folder if none is
    named. Either all files are changed or none.
    """
    box = SecretBox.from_environment(_environment())
    if len(box.keys) == 1:
        raise ConfigurationError(
            f"There is one key alone in {box.source}, so nothing would change.",
            advice="Put the new key in front of the old one: `connector-secrets keygen --add`, or NEW,OLD.",
        )
    texts: dict[Path, str] = {}
    changed = kept = 0
    for file in _read_files(files):
        for value in file.values:
            # In meltano.yml, a description may say `enc:…`.
            if is_encrypted(value.text) or not file.is_yaml:
                _check_whole(file.place(value), value.text)
        rotated = {
            value: _naming_place(file.place(value), box.rotate, value.text)
            for value in file.values
            if is_encrypted(value.text)
        }
        new = {value: text for value, text in rotated.items() if text != value.text}
        changed, kept = changed + len(new), kept + len(rotated) - len(new)
        if new:
            texts[file.path] = file.with_encrypted(new)
    replace_files(texts)
    where = f" in {', '.join(str(path) for path in texts)}" if texts else ""
    click.echo(f"{changed} encrypted with the new key{where}; {kept} were already.")


@commands.command()
@FILES
def check(files: tuple[Path, ...]) -> None:
    """Name every secret that stands in clear in FILES, never its value; exit status 1 if there is one.

    FILES are .env and YAML files or folders with a .env and a meltano.yml; the current folder if none is
    named. Secret are the settings that meltano.yml declares `sensitive`, the variables that they refer to,
    names with PASSWORD, SECRET, TOKEN, API_KEY and the like, and URLs with a password.
    """
    findings = list(find_secrets(_read_files(files)))
    in_clear = [finding for finding in findings if finding.state == CLEAR]
    for finding in in_clear:
        click.echo(f"{finding.place} is in clear ({finding.reason}).")
    click.echo(f"Secrets: {count_states(findings) or 'none'}.")
    if in_clear:
        click.echo(
            "Encrypt a variable with `connector-secrets encrypt --env-file .env --name NAME`; "
            "write $NAME in meltano.yml.",
            err=True,
        )
        sys.exit(FOUND_IN_CLEAR)


def _check_whole(place: str, text: str) -> None:
    if is_encrypted_in_part(text):
        raise ConfigurationError(
            f"{place} is encrypted in part.",
            advice="Write all of it in clear there, and encrypt it as a whole.",
        )


def _read_files(files: tuple[Path, ...]) -> list[SettingsFile]:
    return [SettingsFile.read(path) for path in find_files(files or (Path(),))]


def _naming_place(place: str, step: Callable[[str], str], text: str) -> str:
    """Do something with a value; an error says where the value is."""
    try:
        return step(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error.message}", advice=error.advice) from error


def _environment() -> Mapping[str, str]:
    """The environment; where it names no key, that of the project's .env, as Meltano takes it."""
    if os.environ.get(KEY_VARIABLE) or os.environ.get(KEY_FILE_VARIABLE):
        return os.environ
    in_file = read_env_file(env_file())
    return {**os.environ, **{name: in_file.get(name) or "" for name in (KEY_VARIABLE, KEY_FILE_VARIABLE)}}


def main() -> None:
    """Run the command line; an error of the configuration is one line on stderr and exit status 2."""
    try:
        commands()
    except ConfigurationError as error:
        click.echo(str(error), err=True)
        sys.exit(WRONG)


if __name__ == "__main__":
    main()
