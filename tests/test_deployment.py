"""The container files agree with the code, with each other and with their formats."""

import json
import re
import shlex
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from worker.attempt import GRACE_SECONDS
from worker.settings import Settings

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def tool(name: str) -> str:
    """A program of this environment or of the system, else a visible skip."""
    beside_python = Path(sys.executable).parent / name
    found = str(beside_python) if beside_python.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def check(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def without_variables(value: str) -> str:
    """Put the default in place of each ${NAME:-default} of a compose file."""
    return re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value)


def environment_of(service: str) -> dict[str, str]:
    """What a service's process finds: of its image, then of its compose entry."""
    image = DOCKERFILE.rpartition("FROM ")[2]
    (instruction,) = re.findall(r"^ENV ((?:.*\\\n)*.*)", image, re.MULTILINE)
    pairs = shlex.split(instruction.replace("\\\n", " "))
    given = SERVICES[service].get("environment", {})
    return dict(pair.split("=", 1) for pair in pairs) | {
        name: without_variables(str(value)) for name, value in given.items()
    }


def seconds(text: str) -> float:
    (number, unit) = re.fullmatch(r"(\d+)([smh])", text).groups()  # type: ignore[union-attr]
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


def test_the_dockerfile_is_one_that_hadolint_has_nothing_against() -> None:
    check(tool("hadolint"), "Dockerfile")


def test_the_compose_file_follows_the_compose_specification() -> None:
    schema = "vendor.compose-spec"
    check(tool("check-jsonschema"), "--builtin-schema", schema, "docker-compose.yml")


def test_the_compose_file_is_one_that_docker_compose_reads() -> None:
    check(tool("docker-compose"), "--file", "docker-compose.yml", "config", "--quiet")


def test_services_wait_for_services_that_exist() -> None:
    waited_for = {name for service in SERVICES.values() for name in service.get("depends_on", {})}

    assert waited_for <= SERVICES.keys()
    assert "healthcheck" in SERVICES["postgres"]
    assert SERVICES["evaluator"]["depends_on"]["migrate"]["condition"] == (
        "service_completed_successfully"
    )


@pytest.mark.parametrize("service", ["evaluator", "highlevel", "migrate"])
def test_every_setting_in_the_container_files_is_one_that_the_worker_knows(service: str) -> None:
    settings = Settings.from_environment(environment_of(service))

    assert settings.unknown == ()
    assert settings.database_url.startswith("postgresql://")


def test_models_and_projects_lie_on_volumes() -> None:
    settings = Settings.from_environment(environment_of("evaluator"))
    mounted = {Path(volume.split(":")[1]) for volume in SERVICES["evaluator"]["volumes"]}

    assert {settings.model_dir, settings.project_dir} == mounted


def test_a_container_is_given_longer_to_stop_than_its_worker_takes() -> None:
    settings = Settings.from_environment(environment_of("evaluator"))
    grace = seconds(SERVICES["evaluator"]["stop_grace_period"])

    assert grace > settings.drain_seconds + 2 * GRACE_SECONDS


def test_no_service_has_a_password_of_its_own() -> None:
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            if "PASSWORD" in name:
                assert value == "${POSTGRES_PASSWORD:-acoustic}"
            assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), name


@pytest.mark.parametrize("service", ["evaluator", "highlevel", "migrate"])
def test_workers_have_no_more_rights_than_they_need(service: str) -> None:
    entry = SERVICES[service]

    assert entry["read_only"]
    assert entry["cap_drop"] == ["ALL"]
    assert entry["security_opt"] == ["no-new-privileges:true"]
    assert entry["init"]
    # Nothing that would give back what was taken: neither the host's namespaces nor its devices,
    # and no folder of the host, the socket of Docker among them.
    given_back = {"privileged", "cap_add", "user", "pid", "ipc", "network_mode", "devices", "ports"}
    assert given_back & entry.keys() == set()
    assert all(not volume.startswith(("/", ".", "~")) for volume in entry.get("volumes", []))


def test_what_a_worker_may_write_is_what_it_makes() -> None:
    writable = {
        name: {volume for volume in entry.get("volumes", []) if not volume.endswith(":ro")}
        for name, entry in SERVICES.items()
    }

    assert {volume.split(":")[0] for volume in writable["evaluator"]} == {"models", "projects"}
    assert writable["highlevel"] == writable["migrate"] == set()
    assert all(SERVICES[name]["tmpfs"] == ["/tmp"] for name in ("evaluator", "highlevel"))


def test_the_database_is_reached_from_the_containers_alone() -> None:
    assert "ports" not in SERVICES["postgres"]
    assert "network_mode" not in SERVICES["postgres"]


def test_monitoring_starts_only_when_asked_for_and_is_for_this_host_alone() -> None:
    for name in ("prometheus", "grafana"):
        assert SERVICES[name]["profiles"] == ["monitoring"]
        assert all(port.startswith("127.0.0.1:") for port in SERVICES[name]["ports"])
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        for volume in SERVICES[name]["volumes"]:
            path = volume.split(":")[0]
            assert path in COMPOSE["volumes"] or (ROOT / path).exists()
            assert path in COMPOSE["volumes"] or volume.endswith(":ro")


def test_prometheus_asks_each_daemon_at_the_port_that_it_has() -> None:
    config = yaml.safe_load((ROOT / "monitoring/prometheus.yml").read_text())
    (scraped,) = config["scrape_configs"]
    (found,) = scraped["dns_sd_configs"]

    assert set(found["names"]) == {"evaluator", "highlevel"}
    for service in found["names"]:
        settings = Settings.from_environment(environment_of(service))
        assert settings.metrics_port == found["port"]
        assert settings.metrics_address == "0.0.0.0"


def test_a_container_is_checked_by_what_costs_next_to_nothing() -> None:
    (checked,) = re.findall(r"^HEALTHCHECK .*\\\n\s+CMD (.*)$", DOCKERFILE, re.MULTILINE)

    assert json.loads(checked) == ["acoustic", "doctor", "--alive"]
    for service in ("evaluator", "highlevel"):
        assert "healthcheck" not in SERVICES[service]
        heartbeat = Settings.from_environment(environment_of(service)).heartbeat
        assert heartbeat is not None
        assert str(heartbeat.parent) in SERVICES[service]["tmpfs"]


def test_the_image_ends_as_an_ordinary_user() -> None:
    users = re.findall(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)

    assert users
    assert all(int(number) > 0 for number in users[-1])


def test_the_image_holds_every_package_of_the_project_and_its_build_context_too() -> None:
    packages = PYPROJECT["tool"]["scikit-build"]["wheel"]["packages"]
    sources = {
        word
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
        for word in line.split()
    }
    sent = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }

    assert set(packages) <= sources
    assert sources == sent
    assert all((ROOT / name).exists() for name in sources)


def locked(name: str) -> dict[str, tuple[Requirement, set[str]]]:
    """What a lock pins: of each package its line and its hashes."""
    entries = re.findall(
        r"^([^\s#][^\\\n]*?) \\\n((?:    --hash=.*\n)+)", (ROOT / name).read_text(), re.MULTILINE
    )
    lines = (ROOT / name).read_text().splitlines()
    assert len(entries) == sum(not line.startswith(("#", " ")) for line in lines), "one unhashed"
    pins = [(Requirement(line), set(re.findall(r"sha256:\w{64}", tail))) for line, tail in entries]
    return {canonicalize_name(pin.name): (pin, hashes) for pin, hashes in pins}


def needs(*extras: str) -> list[Requirement]:
    optional = PYPROJECT["project"]["optional-dependencies"]
    lines = [*PYPROJECT["project"]["dependencies"], *(n for e in extras for n in optional[e])]
    return [Requirement(line) for line in lines if not line.startswith("acoustic-workers")]


def build_needs() -> list[Requirement]:
    return [Requirement(line) for line in PYPROJECT["build-system"]["requires"]]


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.txt", [*needs("demo", "pandas", "test", "docs"), *build_needs()]),
        ("requirements-run.txt", needs()),
        ("requirements-build.txt", build_needs()),
    ],
)
def test_every_requirement_is_pinned_to_a_version_that_it_allows_and_hashed(
    lock: str, wanted: list[Requirement]
) -> None:
    pins = locked(lock)

    for pin, hashes in pins.values():
        assert str(pin.specifier).startswith("==")
        assert pin.url is None
        assert hashes
    for need in wanted:
        pin, _ = pins[canonicalize_name(need.name)]
        assert need.specifier.contains(next(iter(pin.specifier)).version), str(need)


@pytest.mark.parametrize("lock", ["requirements-run.txt", "requirements-build.txt"])
def test_an_image_is_made_of_what_was_tested(lock: str) -> None:
    tested = locked("requirements.txt")

    for name, (pin, hashes) in locked(lock).items():
        assert str(pin.specifier) == str(tested[name][0].specifier)
        assert hashes <= tested[name][1]


@pytest.mark.parametrize(
    "lock", ["requirements.txt", "requirements-run.txt", "requirements-build.txt"]
)
def test_a_lock_names_no_place_to_install_from(lock: str) -> None:
    assert not re.search(r"://|^-|\bfile:", (ROOT / lock).read_text(), re.MULTILINE)


@pytest.mark.parametrize("script", [".ci/run", ".ci/lock", ".ci/package", ".ci/sanitize"])
def test_scripts_can_be_executed(script: str) -> None:
    assert (ROOT / script).stat().st_mode & stat.S_IXUSR
