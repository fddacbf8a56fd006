"""Dockerfile and compose.yaml, read as a container engine would: none is needed to see what the containers give up."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer
import typer.main
import yaml

from catchment.app import SHIPPED
from catchment.cli import app as command_line
from catchment.cli.arguments import find_apps
from catchment.settings import DEFAULTS

CHECKOUT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OWN = {name: service for name, service in SERVICES.items() if service["image"] == "catchment:local"}
DOCKERFILE = (CHECKOUT / "Dockerfile").read_text()
STATUS = (CHECKOUT / "src" / "catchment" / "serve" / "status.py").read_text()
SECRET = re.compile(r"(?i)(password|secret|token|api_?key)\w*[ \t]*[=:][ \t]*(?P<value>[^\s\"']+)")


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions in order, continued lines joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE, flags=re.MULTILINE).replace("\\\n", " ")
    pairs = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(name.upper(), rest) for name, rest in pairs]


def every(name: str) -> list[str]:
    return [rest for instruction, rest in instructions() if instruction == name]


def last_stage() -> list[tuple[str, str]]:
    start = max(number for number, (name, _) in enumerate(instructions()) if name == "FROM")
    return instructions()[start:]


class TestDockerfile:
    def test_builds_in_one_stage_and_runs_in_another(self) -> None:
        assert len(every("FROM")) == 2
        assert any("--from=build" in rest for name, rest in last_stage() if name == "COPY")

    def test_base_images_are_pinned(self) -> None:
        for image in every("FROM"):
            assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+ AS \w+", image)

    def test_runs_as_nobody_in_particular(self) -> None:
        users = [rest for name, rest in last_stage() if name == "USER"]
        assert users
        assert re.fullmatch(r"[1-9]\d{3,}(:[1-9]\d{3,})?", users[-1])

    def test_says_whether_it_lives(self) -> None:
        (check,) = every("HEALTHCHECK")
        assert "/health/live" in check

    def test_the_health_check_is_a_program(self) -> None:
        command = yaml.safe_load(every("HEALTHCHECK")[0].partition("CMD")[2])
        compile(command[2], "healthcheck", "exec")
        assert command[:2] == ["python", "-c"]

    def test_fetches_nothing_by_address(self) -> None:
        assert every("ADD") == []
        assert "://" not in "".join(every("RUN"))

    def test_installs_what_the_lock_says(self) -> None:
        (install,) = [run for run in every("RUN") if ".whl" in run]
        assert {"--verify-hashes", "--constraint", "requirements.lock"} <= set(shlex.split(install))

    def test_keeps_its_data_in_one_folder(self) -> None:
        assert any("CATCHMENT_DATA=/data" in rest for rest in every("ENV"))

    def test_copies_no_more_than_it_needs(self) -> None:
        allowed = [line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        copied = {source for rest in every("COPY") if "--from" not in rest for source in rest.split()[:-1]}
        assert copied == set(allowed)


@pytest.mark.parametrize("name", SERVICES)
class TestService:
    def test_gives_up_what_it_does_not_need(self, name: str) -> None:
        service = SERVICES[name]
        assert service["user"].split(":")[0] not in ("", "0", "root")
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & set(service)

    def test_image_is_ours_or_pinned(self, name: str) -> None:
        service = SERVICES[name]
        _, _, tag = service["image"].partition(":")
        assert tag not in ("", "latest")
        assert ("build" in service) == (name in OWN)

    def test_ports_are_published_on_loopback_only(self, name: str) -> None:
        assert [port for port in SERVICES[name].get("ports", []) if not port.startswith("127.0.0.1:")] == []
        assert SERVICES[name].get("network_mode") != "host"

    def test_writes_into_named_volumes_only(self, name: str) -> None:
        for volume in SERVICES[name].get("volumes", []):
            source, _, mode = volume.split(":", 2) if volume.count(":") == 2 else (*volume.split(":"), "rw")
            assert source in COMPOSE["volumes"] or (mode == "ro" and (CHECKOUT / source).is_file())

    def test_its_data_folder_can_be_written(self, name: str) -> None:
        service = SERVICES[name]
        if name not in OWN:
            written = [volume for volume in service["volumes"] if not volume.endswith(":ro")]
            assert written == (["postgres:/var/lib/postgresql/data"] if name == "postgres" else [])
            return
        targets = [
            volume.split(":")[1]
            for volume in [*service.get("volumes", []), *(f"-:{path}" for path in service["tmpfs"])]
        ]
        assert "/data" in targets
        assert "/tmp" in targets

    def test_waits_for_services_of_its_own_profile(self, name: str) -> None:
        for other in SERVICES[name].get("depends_on", {}):
            assert SERVICES[other].get("profiles") == SERVICES[name].get("profiles")

    def test_holds_no_secret(self, name: str) -> None:
        for variable, value in SERVICES[name].get("environment", {}).items():
            if SECRET.search(f"{variable}={value}"):
                assert value.startswith("${")


def documented() -> list[list[str]]:
    """The command lines in the Dockerfile's comments, from the image's name on."""
    return [
        shlex.split(line) for line in re.findall(r"^#.*docker run .* catchment:local (.+)$", DOCKERFILE, re.MULTILINE)
    ]


DEFAULT = yaml.safe_load(every("CMD")[-1])
LINES = {"the default": DEFAULT, **{name: service["command"] for name, service in OWN.items()}}
LINES |= {f"documented: {' '.join(line)}": line for line in documented()}


def parsed(line: list[str]) -> dict[str, Any]:
    """The arguments as the command gets them. TyperException where it would refuse them; nothing is run."""
    group = typer.main.get_command(command_line)
    assert isinstance(group, typer.core.TyperGroup)
    context = group.make_context("catchment", list(line))
    name, command, rest = group.resolve_command(context, list(line))
    assert command is not None
    return command.make_context(name, rest, parent=context).params


@pytest.mark.parametrize("line", LINES.values(), ids=LINES)
def test_its_command_line_is_taken(line: list[str]) -> None:
    arguments = parsed(line)
    targets = [*arguments.get("targets", []), *([arguments["name"]] if "name" in arguments else [])]
    assert [app.name for app in find_apps(targets)] == targets


@pytest.mark.parametrize(
    "line",
    [["serve", "--host", "0.0.0.0"], ["serve", "stocks", "--hots", "0.0.0.0"], ["serv", "stocks"], ["standin"]],  # noqa: S104
    ids=" ".join,
)
def test_a_command_line_that_would_be_refused_is_noticed(line: list[str]) -> None:
    with pytest.raises(typer.TyperException):
        parsed(line)


def test_every_app_that_ships_is_served_by_default() -> None:
    assert parsed(DEFAULT)["targets"] == list(SHIPPED)


def test_the_demo_alone_starts_by_default() -> None:
    assert [name for name, service in SERVICES.items() if not service.get("profiles")] == ["demo"]
    assert "environment" not in SERVICES["demo"]


def test_the_profiles_are_the_documented_ones() -> None:
    assert {profile for service in SERVICES.values() for profile in service.get("profiles", [])} == {
        "episodes",
        "incidents",
        "police",
        "postgres",
        "providers",
        "stocks",
        "tools",
    }


def test_the_stocks_profile_is_dump_database_and_api() -> None:
    stocks = {name: service for name, service in SERVICES.items() if service.get("profiles") == ["stocks"]}
    assert set(stocks) == {"stocks-upstream", "stocks-dump", "stocks-api"}
    sharing = [name for name, service in stocks.items() if "stocks:/data" in service.get("volumes", [])]
    assert sharing == ["stocks-dump", "stocks-api"]


def test_the_episodes_profile_is_import_database_and_api() -> None:
    episodes = {name: service for name, service in SERVICES.items() if service.get("profiles") == ["episodes"]}
    assert set(episodes) == {"episodes-upstream", "episodes-import", "episodes-api"}
    sharing = [name for name, service in episodes.items() if "episodes:/data" in service.get("volumes", [])]
    assert sharing == ["episodes-import", "episodes-api"]
    assert [name for name, service in episodes.items() if "OMDB_API_KEY" in service.get("environment", {})] == [
        "episodes-import"
    ]


def test_the_incidents_profile_polls_and_serves_to_whoever_has_a_key() -> None:
    profile = {name: service for name, service in SERVICES.items() if service.get("profiles") == ["incidents"]}
    assert set(profile) == {"incidents-upstream", "incidents"}
    assert "CATCHMENT_WITHOUT_KEYS" not in profile["incidents"]["environment"]
    assert profile["incidents"]["volumes"] == SERVICES["incidents-key"]["volumes"] == ["incidents:/data"]


def test_where_people_write_nothing_is_open_without_a_key() -> None:
    api, key = SERVICES["providers-api"], SERVICES["providers-key"]
    assert "CATCHMENT_WITHOUT_KEYS" not in api["environment"]
    assert api["volumes"] == key["volumes"] == ["providers:/data"]
    assert key["command"][:2] == ["keys", "create"]


def test_the_sql_page_reads_alone_and_lets_nobody_in_without_a_password_of_ones_own() -> None:
    page = SERVICES["adminer"]
    assert page["profiles"] == ["tools"]
    assert page["environment"] == {"ADMINER_PASSWORD": "${ADMINER_PASSWORD:-}"}
    assert page["volumes"][0] == "stocks:/data:ro"
    assert "strlen($wanted) >= 12 && hash_equals(" in (CHECKOUT / "examples" / "stocks" / "adminer.php").read_text()


def test_only_who_collects_knows_a_key() -> None:
    assert [name for name, service in SERVICES.items() if "ALPHAVANTAGE_API_KEY" in service.get("environment", {})] == [
        "stocks-dump",
        "stocks-on-postgres",
    ]


def test_the_postgres_profile_has_a_server_without_a_preset_password() -> None:
    profile = {name: service for name, service in SERVICES.items() if service.get("profiles") == ["postgres"]}
    assert set(profile) == {"postgres", "postgres-upstream", "stocks-on-postgres"}
    server, app = profile["postgres"], profile["stocks-on-postgres"]
    names = ("POSTGRES_PASSWORD", "COLLECTOR_PASSWORD", "ANALYST_PASSWORD")
    assert server["environment"] == {name: f"${{{name}:-}}" for name in names}
    assert {name: kept["condition"] for name, kept in app["depends_on"].items()} == {
        "postgres": "service_healthy",
        "postgres-upstream": "service_healthy",
    }
    place = urlsplit(app["environment"]["CATCHMENT_DATABASE"])
    assert (place.username, place.password, place.hostname, place.path) == ("collector", None, "postgres", "/catchment")
    assert app["environment"]["PGPASSWORD"] == server["environment"]["COLLECTOR_PASSWORD"]
    assert "[postgres]" in every("RUN")[-2]


def test_no_secret_is_written_down() -> None:
    texts = [DOCKERFILE, (CHECKOUT / "compose.yaml").read_text(), (CHECKOUT / ".env.example").read_text()]
    written = [
        match["value"]
        for text in texts
        for match in SECRET.finditer(text)
        if not match["value"].startswith(("${", "https:"))
    ]
    assert written == []


@pytest.mark.parametrize("name", SHIPPED)
def test_every_app_has_a_container_that_serves_it(name: str) -> None:
    serving = [service["command"] for service in OWN.values() if service["command"][0] in ("serve", "up")]
    assert [command for command in serving if command[1] == name]


MANIFEST: list[dict[str, Any]] = list(yaml.safe_load_all((CHECKOUT / "examples" / "kubernetes.yaml").read_text()))
PODS = {item["metadata"]["name"]: item["spec"]["template"]["spec"] for item in MANIFEST if "template" in item["spec"]}


@pytest.mark.parametrize("name", PODS)
def test_a_pod_of_the_example_gives_up_what_it_does_not_need(name: str) -> None:
    (container,) = PODS[name]["containers"]
    assert PODS[name]["securityContext"].items() >= {"runAsNonRoot": True, "runAsUser": 10001}.items()
    assert PODS[name]["automountServiceAccountToken"] is False
    assert container["securityContext"] == {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp"}
    assert container["resources"]["limits"]["memory"]


@pytest.mark.parametrize("name", PODS)
def test_a_pod_of_the_example_runs_what_there_is_and_holds_no_secret(name: str) -> None:
    (container,) = PODS[name]["containers"]
    assert [app.name for app in find_apps(parsed(container["args"])["targets"])] == ["providers"]
    told = {item["name"]: item.get("value") for item in container["env"]}
    assert told.keys() <= DEFAULTS.keys()
    assert told["CATCHMENT_DATABASE"] is None  # by reference
    for probe in ("livenessProbe", "readinessProbe"):
        path = container.get(probe, {}).get("httpGet", {}).get("path")
        assert path is None or f'"{path}"' in STATUS


def test_the_service_of_the_example_finds_its_pods() -> None:
    api, service = (next(item for item in MANIFEST if item["kind"] == kind) for kind in ("Deployment", "Service"))
    assert api["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert service["spec"]["selector"].items() <= api["spec"]["template"]["metadata"]["labels"].items()
