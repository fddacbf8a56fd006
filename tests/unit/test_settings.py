"""Settings from their sources in order, and secrets by reference that show nowhere."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

import pytest

from catchment import BasicAuth, BearerAuth, Budget, DeclarationError, HeaderKey, QueryKey, Secret, Setting, Upstream
from catchment.errors import MissingSecret, UsageError
from catchment.exchange import Request
from catchment.settings import Settings, load_settings, without_password

CANARY = "canary-4711"


TOML = """
port = 1
host = "toml"
log = "toml"
data = "toml"
FORCES = ["a", "b"]
"""

DOTENV = """
CATCHMENT_PORT=2
CATCHMENT_HOST=dotenv
CATCHMENT_LOG=dotenv
RAW='$HOME'
EMPTY=
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "catchment.toml").write_text(TOML)
    (tmp_path / ".env").write_text(DOTENV)
    return tmp_path


def load(folder: Path, flags=(), **environ) -> Settings:
    return load_settings(dict(flags), folder=folder, environ=environ)


@pytest.mark.parametrize(
    ("name", "value", "origin"),
    [
        ("CATCHMENT_PORT", "4", "flag"),
        ("CATCHMENT_HOST", "environment", "environment"),
        ("CATCHMENT_LOG", "dotenv", ".env"),
        ("CATCHMENT_DATA", "toml", "catchment.toml"),
        ("CATCHMENT_CLOCK", "", "default"),
        ("FORCES", "a,b", "catchment.toml"),
        ("RAW", "$HOME", ".env"),
        ("NOBODY_SETS", "", "default"),
    ],
)
def test_the_first_source_that_has_a_setting_decides_and_is_named(folder, name, value, origin):
    environ = {"CATCHMENT_PORT": "3", "CATCHMENT_HOST": "environment", "CATCHMENT_LOG": ""}
    found = load(folder, {"CATCHMENT_PORT": "4"}, **environ)
    assert (found.get(name), found.origin(name)) == (value, origin)


def test_without_files_there_are_defaults(tmp_path):
    found = load(tmp_path)
    assert (found.host, found.port, found.data, found.allow_private) == ("127.0.0.1", 8000, Path("catchment-data"), ())
    assert found.database == "sqlite:///catchment-data/catchment.sqlite"
    assert found.origin("CATCHMENT_PORT") == "default"


def test_replaced_values_have_their_origin(tmp_path):
    found = load(tmp_path).with_values("demo", {"CATCHMENT_PORT": "5"})
    assert (found.port, found.origin("CATCHMENT_PORT"), found.host) == (5, "demo", "127.0.0.1")


@pytest.mark.parametrize("text", ["http", "-1", "65536", "８０", "8000.0", " 80"])
def test_a_port_that_is_none_is_refused_by_name(tmp_path, text):
    with pytest.raises(UsageError, match="CATCHMENT_PORT"):
        _ = load(tmp_path, CATCHMENT_PORT=text).port


def test_a_network_that_is_none_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match="CATCHMENT_ALLOW_PRIVATE: 127 is no network"):
        _ = load(tmp_path, CATCHMENT_ALLOW_PRIVATE="127.0.0.0/8, 127").allow_private


def test_a_file_of_settings_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "catchment.toml").write_text("port = ")
    with pytest.raises(UsageError, match=r"catchment\.toml is no TOML"):
        load(tmp_path)


def test_a_list_is_split_at_commas_and_has_no_blanks_and_doubles(tmp_path):
    assert Setting("S").values(load(tmp_path, S=" a, ,b,a ,")) == ("a", "b")
    assert Setting("S", "x,y").values(load(tmp_path)) == ("x", "y")


# -- upstreams -------------------------------------------------------------------------------------------------------

quotes = Upstream("big-quotes", "https://quotes.example/v1/", budget=Budget("25/day", zone="Europe/London", burst=2))


@pytest.mark.parametrize(
    ("environ", "url"),
    [
        ({}, "https://quotes.example/v1"),
        ({"CATCHMENT_UPSTREAM_BIG_QUOTES": "http://127.0.0.1:9/"}, "http://127.0.0.1:9"),
        ({"CATCHMENT_UPSTREAM_QUOTES": "http://127.0.0.1:9"}, "https://quotes.example/v1"),
    ],
)
def test_the_environment_says_where_an_upstream_is(tmp_path, environ, url):
    assert quotes.base_url(load(tmp_path, **environ)) == url


def test_an_upstream_that_has_no_address_for_everybody_has_to_be_set(tmp_path):
    own = Upstream("our-own", "")
    assert own.base_url(load(tmp_path, CATCHMENT_UPSTREAM_OUR_OWN="https://ours.example/")) == "https://ours.example"
    with pytest.raises(UsageError, match="CATCHMENT_UPSTREAM_OUR_OWN is not set"):
        own.base_url(load(tmp_path))


def test_a_setting_replaces_the_windows_of_a_budget_and_nothing_else(tmp_path):
    found = quotes.budget_now(load(tmp_path, BIG_QUOTES_BUDGET="75/minute, 1000/day"))
    assert found == Budget("75/minute", "1000/day", zone="Europe/London", burst=2)
    assert quotes.budget_now(load(tmp_path)) is quotes.budget


def test_a_wrong_budget_in_a_setting_is_the_operators_and_named(tmp_path):
    with pytest.raises(UsageError, match=r"BIG_QUOTES_BUDGET: .*'lots' is no window"):
        quotes.budget_now(load(tmp_path, BIG_QUOTES_BUDGET="lots"))
    assert not issubclass(UsageError, DeclarationError)


# -- secrets ---------------------------------------------------------------------------------------------------------


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def test_a_secret_comes_from_the_environment_a_file_or_a_command(tmp_path):
    command = f"{sys.executable} -c \"print('from command')\""
    sources = {"KEY": " from environment ", "KEY_FILE": secret_file(tmp_path, b"from file\n"), "KEY_COMMAND": command}
    found = []
    for name in list(sources):
        found.append(Secret("KEY").reveal(load(tmp_path, **sources)))
        del sources[name]
    assert found == ["from environment", "from file", "from command"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_file_that_others_may_read_is_refused_with_what_to_do(tmp_path, mode):
    path = secret_file(tmp_path, CANARY.encode(), mode)
    with pytest.raises(UsageError, match="chmod 600") as caught:
        Secret("KEY").reveal(load(tmp_path, KEY_FILE=path))
    assert CANARY not in str(caught.value)


COMMANDS = {
    "fails": f"{sys.executable} -c \"import sys; print('{CANARY}'); sys.exit('{CANARY}')\"",
    "prints nothing": f'{sys.executable} -c ""',
    "is not there": f"no-such-program-{CANARY}",
    "cannot be split": f"'{CANARY}",
    "prints bytes": f"{sys.executable} -c \"import sys; sys.stdout.buffer.write(b'{CANARY}' + bytes([255]))\"",
}


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({}, id="nowhere"),
        pytest.param({"KEY": "  "}, id="blank"),
        pytest.param({"KEY_FILE": "/nowhere/at/all"}, id="no file"),
        *(pytest.param({"KEY_COMMAND": command}, id=f"command {name}") for name, command in COMMANDS.items()),
    ],
)
def test_a_secret_that_leads_nowhere_is_named_with_the_next_step_and_shown_never(tmp_path, environ):
    with pytest.raises(MissingSecret) as caught:
        Secret("KEY").reveal(load(tmp_path, **environ))
    assert (caught.value.name, "KEY" in caught.value.hint) == ("KEY", True)
    assert str(caught.value).startswith("secret KEY is not set")
    assert CANARY not in "".join(traceback.format_exception(caught.value)).replace(str(tmp_path), "")


@pytest.mark.parametrize("content", [b"", b" \n", CANARY.encode() + b"\xff"], ids=["empty", "blank", "no text"])
def test_a_file_that_holds_no_secret_is_said(tmp_path, content):
    with pytest.raises(MissingSecret, match="KEY_FILE") as caught:
        Secret("KEY").reveal(load(tmp_path, KEY_FILE=secret_file(tmp_path, content)))
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert CANARY.encode() not in getattr(caught.value.__cause__, "object", b"")


def test_no_value_shows_in_a_text_of_settings_or_of_what_refers_to_them(tmp_path):
    found = load(tmp_path, KEY=CANARY)
    shown = Upstream("shop", "https://shop.example", auth=QueryKey("apikey", Secret("KEY")))
    for value in (found, Secret("KEY"), shown, [found, shown]):
        assert CANARY not in f"{value!r} {value}"
    assert str(Secret("KEY")) == "***"


@pytest.mark.parametrize(
    ("auth", "sent", "hidden"),
    [
        (QueryKey("apikey", Secret("KEY")), "/x?a=1&apikey=s%2Fcret", ("s/cret",)),
        (HeaderKey("X-Key", Secret("KEY")), ("X-Key", "s/cret"), ("s/cret",)),
        (BearerAuth(Secret("KEY")), ("Authorization", "Bearer s/cret"), ("s/cret",)),
        (BasicAuth(Secret("USER"), Secret("KEY")), ("Authorization", "Basic bWU6cy9jcmV0"), ("s/cret", "bWU6cy9jcmV0")),
    ],
    ids=["query", "header", "bearer", "basic"],
)
def test_a_proof_is_added_when_a_request_is_sent_and_known_to_redaction(tmp_path, auth, sent, hidden):
    settings = load(tmp_path, KEY="s/cret", USER="me")
    request = Request("/x", (("a", "1"),))
    signed = auth.sign(request, lambda secret: secret.reveal(settings))
    assert sent == signed.target or sent in signed.headers
    assert auth.secrets(lambda secret: secret.reveal(settings)) == hidden
    assert request == Request("/x", (("a", "1"),))


def small(text: str) -> str:
    if not text.islower():
        raise ValueError("is not in small letters")
    return f"{text}!"


def test_a_setting_with_a_form_gives_what_is_meant_or_says_what_is_wrong():
    setting = Setting("SIZE", "compact", form=small)
    assert setting.text(Settings()) == "compact!"
    assert setting.text(Settings().with_values("test", {"SIZE": "full"})) == "full!"
    with pytest.raises(UsageError, match=r"SIZE=FULL is not in small letters"):
        setting.text(Settings().with_values("test", {"SIZE": "FULL"}))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://me:canary@host:5432/db", "postgresql://me:***@host:5432/db"),
        ("postgresql://host/db?user=me&password=canary&x=1", "postgresql://host/db?user=me&password=***&x=1"),
        ("postgresql://me@/db?host=/run", "postgresql://me@/db?host=/run"),
        ("sqlite:////data/a:b@c.sqlite", "sqlite:////data/a:b@c.sqlite"),
        ("http://127.0.0.1:8081/api", "http://127.0.0.1:8081/api"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert without_password(url) == shown


def test_the_database_may_be_named_by_a_file(tmp_path):
    (tmp_path / "url").write_text("postgresql://me:canary@host/db\n")
    (tmp_path / "url").chmod(0o600)
    assert Settings().database.startswith("sqlite:///")
    found = Settings().with_values("test", {"CATCHMENT_DATABASE_FILE": str(tmp_path / "url")})
    assert found.database == "postgresql://me:canary@host/db"
