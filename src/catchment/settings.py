"""Settings and secrets: flags, then the environment, then `.env`, then `catchment.toml`, then the default.

A declaration refers to a setting by name (`Setting`) or to a secret (`Secret`); the values are read when a command
starts, into one frozen `Settings`.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
import stat
import subprocess
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import MissingSecret, UsageError

__all__ = ["Network", "Secret", "Setting", "Settings", "load_settings", "without_password"]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

DEFAULTS = {
    "CATCHMENT_DATA": "./catchment-data",
    "CATCHMENT_DATABASE": "",
    "CATCHMENT_HOST": "127.0.0.1",
    "CATCHMENT_PORT": "8000",
    "CATCHMENT_ALLOWED_HOSTS": "",
    "CATCHMENT_ALLOW_PRIVATE": "",
    "CATCHMENT_BODY_TIMEOUT": "30",
    "CATCHMENT_CLOCK": "",
    "CATCHMENT_HEADER_TIMEOUT": "10",
    "CATCHMENT_LOG": "logfmt",
    "CATCHMENT_OTLP_ENDPOINT": "",
    "CATCHMENT_TRUSTED_GATEWAYS": "",
    "CATCHMENT_WITHOUT_KEYS": "",
}


@dataclass(frozen=True)
class Setting:
    """A value that the operator may set, by the name of its setting.

    default: used where nothing sets it; text as it would be written in the environment. form: from what is written to
    what is meant; ValueError, with words that follow the value, for what cannot be.
    """

    name: str
    default: str = ""
    form: Callable[[str], str] | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        """What holds where nobody has set it."""
        return self.default

    def values(self, settings: Settings) -> tuple[str, ...]:
        """The setting as a list: split at commas, blanks and empty items dropped, order kept."""
        items = (item.strip() for item in self.text(settings).split(","))
        return tuple(dict.fromkeys(item for item in items if item))

    def text(self, settings: Settings) -> str:
        """What is meant. UsageError, naming the setting, where its form refuses what is written."""
        text = settings.get(self.name, self.default)
        try:
            return self.form(text) if self.form else text
        except ValueError as error:
            raise UsageError(f"{self.name}={text} {error}") from error


@dataclass(frozen=True)
class Secret:
    """A reference to a secret: the value is read when it is used, and printed never.

    The reference is a setting's name. Its value is the secret; or `NAME_FILE` names a file that holds it; or
    `NAME_COMMAND` a command that prints it (any key service or decryption tool).
    """

    name: str

    def reveal(self, settings: Settings) -> str:
        """The secret itself. MissingSecret when no reference leads anywhere."""
        if value := settings.get(self.name, "").strip():
            return value
        if path := settings.get(f"{self.name}_FILE", ""):
            return _from_file(self.name, Path(path))
        if command := settings.get(f"{self.name}_COMMAND", ""):
            return _from_command(self.name, command)
        raise MissingSecret(
            self.name, hint=f"set {self.name}, {self.name}_FILE or {self.name}_COMMAND in the environment or in .env"
        )

    def __str__(self) -> str:
        return "***"


def _from_file(name: str, path: Path) -> str:
    try:
        if path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            raise UsageError(f"{name}_FILE {path} may be read by others", hint=f"chmod 600 {path}")
        value = path.read_text().strip()
    except OSError as error:
        raise MissingSecret(name, hint=f"{name}_FILE {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise MissingSecret(name, hint=f"{name}_FILE {path} is no UTF-8 text") from None  # the error holds the bytes
    if not value:
        raise MissingSecret(name, hint=f"{name}_FILE {path} is empty")
    return value


def _from_command(name: str, command: str) -> str:
    try:
        done = subprocess.run(shlex.split(command), capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 (the operator's own command, without a shell)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        # Neither the command's output nor its arguments are shown: they may hold the secret.
        raise MissingSecret(name, hint=f"{name}_COMMAND failed: {type(error).__name__}") from None
    if not (value := done.stdout.strip()):
        raise MissingSecret(name, hint=f"{name}_COMMAND printed nothing")
    return value


@dataclass(frozen=True)
class Settings:
    """All settings of one command, with the place each value came from.

    values: name -> (text, origin). Names are as in the environment.
    """

    values: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)

    def get(self, name: str, default: str = "") -> str:
        """The setting's text; `default` where nothing sets it or it is set to nothing."""
        text, _ = self.values.get(name, ("", ""))
        return text or default or DEFAULTS.get(name, "")

    def origin(self, name: str) -> str:
        return self.values[name][1] if self.get(name) and name in self.values else "default"

    @property
    def data(self) -> Path:
        """The data folder."""
        return Path(self.get("CATCHMENT_DATA")).expanduser()

    @property
    def database(self) -> str:
        """The database's URL; by default one SQLite file in the data folder. It may hold a password: it is a secret."""
        url = Secret("CATCHMENT_DATABASE")
        if not any(self.get(url.name + suffix) for suffix in ("", "_FILE", "_COMMAND")):
            return f"sqlite:///{self.data / 'catchment.sqlite'}"
        return url.reveal(self)

    @property
    def host(self) -> str:
        return self.get("CATCHMENT_HOST")

    @property
    def port(self) -> int:
        text = self.get("CATCHMENT_PORT")
        if not (text.isascii() and text.isdigit() and int(text) < 65536):
            raise UsageError(f"CATCHMENT_PORT={text} is no port", hint="use a number from 0 to 65535")
        return int(text)

    @property
    def allow_private(self) -> tuple[Network, ...]:
        """Networks that upstreams may live in although they are not public."""
        return tuple(_network(item) for item in Setting("CATCHMENT_ALLOW_PRIVATE").values(self))

    def upstream_url(self, name: str) -> str:
        """The base URL set for the upstream called `name`, "" when none is set."""
        return self.get(f"CATCHMENT_UPSTREAM_{name.upper().replace('-', '_')}").rstrip("/")

    def with_values(self, origin: str, values: Mapping[str, str]) -> Settings:
        """The same with some values replaced, from `origin`."""
        return Settings({**self.values, **{name: (text, origin) for name, text in values.items()}})


_PASSWORD = re.compile(r"(?<=:)[^:@]*(?=@)")
_PASSWORD_BEHIND = re.compile(r"(?<=[?&]password=)[^&]*")


def without_password(url: str) -> str:
    """The URL as it may be printed."""
    scheme, found, rest = url.partition("://")
    host = re.split("[/?#]", rest, maxsplit=1)[0]
    return f"{scheme}{found}{_PASSWORD.sub('***', host)}{_PASSWORD_BEHIND.sub('***', rest[len(host) :])}"


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise UsageError(f"CATCHMENT_ALLOW_PRIVATE: {text} is no network", hint="write e.g. 127.0.0.0/8") from error


def load_settings(flags: Mapping[str, str], *, folder: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """The settings as a command sees them.

    Args:
        flags: name -> text for what was given on the command line.
        folder: where `.env` and `catchment.toml` are looked for.
    Raises:
        UsageError: a file cannot be read as what it is.
    """
    environment = os.environ if environ is None else environ
    sources = [
        ("default", DEFAULTS.items()),
        ("catchment.toml", _toml(folder / "catchment.toml")),
        (".env", _dotenv(folder / ".env")),
        ("environment", environment.items()),
        ("flag", flags.items()),
    ]
    values: dict[str, tuple[str, str]] = {}
    for origin, pairs in sources:
        values.update({name: (text, origin) for name, text in pairs if text})
    return Settings(values)


def _dotenv(path: Path) -> Iterable[tuple[str, str]]:
    if not path.is_file():
        return
    from dotenv import dotenv_values  # only where there is a file: imports cost start-up time

    for name, value in dotenv_values(path, interpolate=False).items():
        if value is not None:
            yield name, value


def _toml(path: Path) -> Iterable[tuple[str, str]]:
    """Top-level `name = value` pairs; `port = 8001` means CATCHMENT_PORT, other names stand as written."""
    if not path.is_file():
        return
    try:
        table = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}", hint="mend it or move it away") from error
    for name, value in table.items():
        known = f"CATCHMENT_{name.upper()}"
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        yield (known if known in DEFAULTS else name), text
