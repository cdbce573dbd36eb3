"""What Compose would start: there may be no Docker here, so the files are read and not run."""

import importlib.util
import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from composing import FILES, PROJECT, SERVICES, VOLUMES, Service
from identity.openfga import HERE
from running import ROOT

each = pytest.mark.parametrize("service", SERVICES.values(), ids=SERVICES)
ONCE = "service_completed_successfully"
HEALTHY = "service_healthy"
SCHEMA = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_each_file_fits_the_schema_of_compose(file: Path) -> None:
    done = subprocess.run([*SCHEMA, str(file)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_mistake_would_not_fit(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text("services: {openfga: {image: openfga, port: 8080}}")
    assert subprocess.run([*SCHEMA, str(wrong)], check=False, capture_output=True).returncode == 1


def test_a_file_that_is_not_included_is_not_there_and_its_name_is_its_profile() -> None:
    assert {*(ROOT / "compose").glob("*.yml")} == {*FILES[1:]}
    for service in SERVICES.values():
        if service.folder != ROOT:
            assert service.profiles
    profiles = {profile for service in SERVICES.values() for profile in service.profiles}
    assert profiles == {file.stem for file in FILES[1:]}


@each
def test_each_image_has_its_version_and_ours_has_that_of_its_package(service: Service) -> None:
    image = service.image
    assert re.search(r":(v?\d+\.\d+[\w.-]*|RELEASE\.[\dTZ-]+)$", image)
    if service.is_ours:
        package, version = image.removeprefix(f"{PROJECT['name']}-").split(":")
        folder = {"gateway": "local"}.get(package, package)
        project = tomllib.loads((ROOT / f"packages/{folder}/pyproject.toml").read_text())
        assert version == project["project"]["version"]
        build = service.said.get("build", {"context": ".", "args": {"PACKAGE": package}})
        assert build == {"context": ".", "args": {"PACKAGE": package}}
        assert ("build" in service.said) != (service.said.get("pull_policy") == "never")


def test_the_images_are_of_the_versions_that_the_tests_run_against() -> None:
    scripts = (ROOT / "tools" / "offline" / "peers.sh").read_text()
    for name, line in (("keycloak", "KEYCLOAK"), ("openfga", "OPENFGA")):
        version = re.search(rf"^{line}=(\S+)$", scripts, re.MULTILINE)
        assert version
        assert SERVICES[name].said["image"].rpartition(":")[2].lstrip("v") == version[1]
    module = re.search(
        r"^VERSION=0\.(.*)$", (ROOT / "tools/offline/promtool.sh").read_text(), re.MULTILINE
    )
    assert module
    major, minor, patch = re.fullmatch(r"(\d)(\d\d)\.(\d+)", module[1]).groups()  # type: ignore[union-attr]
    assert SERVICES["prometheus"].said["image"].endswith(f":v{major}.{int(minor)}.{patch}")


@each
def test_each_port_is_published_on_loopback_alone(service: Service) -> None:
    assert all(address == "127.0.0.1" for address, _, _ in service.ports)


def test_no_two_services_want_the_same_port_of_the_host() -> None:
    published = [port for service in SERVICES.values() for _, port, _ in service.ports]
    assert len(published) == len(set(published))


@each
def test_what_is_mounted_is_there_and_cannot_be_written(service: Service) -> None:
    for mount in service.mounts:
        if isinstance(mount.source, Path):
            assert mount.source.exists()
            assert mount.source.is_relative_to(ROOT)
            assert mount.read_only
        else:
            assert mount.source in VOLUMES
            assert mount.target in {"/variables", "/etc/openfga"} or not mount.read_only


@each
def test_what_is_waited_for_says_when_it_is_ready(service: Service) -> None:
    for name, how in service.said.get("depends_on", {}).items():
        other = SERVICES[name]
        assert how["condition"] == (HEALTHY if "healthcheck" in other.said else ONCE)
        if how.get("required", True):
            assert other.profiles <= service.profiles
        else:
            assert other.profiles


@each
def test_what_ends_is_waited_for_to_the_end_and_what_stays_is_asked_for_its_health(
    service: Service,
) -> None:
    conditions = {
        how["condition"]
        for other in SERVICES.values()
        for name, how in other.said.get("depends_on", {}).items()
        if name == service.name
    }
    if "healthcheck" not in service.said:
        assert conditions == {ONCE}


@each
def test_the_health_check_asks_the_port_that_the_command_listens_on(service: Service) -> None:
    if service.is_ours and "healthcheck" in service.said:
        asked = re.findall(r"http://127\.0\.0\.1:(\d+)/health", service.health)
        words = [*service.command, service.environment.get("PORT")]
        assert len(asked) == 1
        assert asked[0] in words
        assert all(str(port) in asked for _, _, port in service.ports)


@each
def test_each_address_that_is_named_is_a_service(service: Service) -> None:
    text = "\n".join([*service.command, *service.environment.values()])
    hosts = set(re.findall(r"\w+://([\w-]+)[:/]", text)) - {"127", "127.0.0.1"}
    hosts |= {value for name, value in service.environment.items() if name.endswith("_HOST")} - {
        "http://ollama:11434"
    }
    assert {host.partition(":")[0] for host in hosts} <= SERVICES.keys()


@each
def test_each_module_that_is_run_is_there(service: Service) -> None:
    words = service.command
    for option, module in itertools.pairwise(words):
        if option == "-m":
            assert importlib.util.find_spec(module), module


def test_prometheus_scrapes_services_that_are_there_and_grafana_asks_it() -> None:
    config = yaml.safe_load((ROOT / "observability/prometheus.yml").read_text())
    targets = [
        target
        for job in config["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    ]
    assert targets
    for target in targets:
        name, port = target.split(":")
        assert int(port) in [of_container for _, _, of_container in SERVICES[name].ports]
    mounted = {mount.target: mount.source for mount in SERVICES["prometheus"].mounts}
    for file in config["rule_files"]:
        assert isinstance(mounted[f"/etc/prometheus/{file}"], Path)
    folder = ROOT / "observability/grafana/provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yaml").read_text())["datasources"]
    assert source["url"] == "http://prometheus:9090"
    assert SERVICES["prometheus"].health.split()[-1].startswith("http://127.0.0.1:9090/")
    (board,) = yaml.safe_load((folder / "dashboards/dashboards.yaml").read_text())["providers"]
    assert board["options"]["path"] in {mount.target for mount in SERVICES["grafana"].mounts}


def test_what_is_loaded_needs_no_package(tmp_path: Path) -> None:
    (tmp_path / "identity").symlink_to(HERE)
    command = [sys.executable, "-S", "-c", "import identity.load"]
    subprocess.run(command, check=True, cwd=tmp_path)


def test_the_readme_has_each_profile_with_its_ports_and_where_each_password_is() -> None:
    readme = (ROOT / "README.md").read_text()
    _, _, section = readme.partition("## Run it with Docker Compose\n")
    section = section.partition("\n## ")[0]
    files = {file.stem: file.read_text() for file in FILES}
    for profile in sorted(files.keys() - {"docker-compose"}):
        row = re.search(rf"^\| `{profile}` \|.*\|(.*)\|$", section, re.MULTILINE)
        assert row, profile
        said = set(re.findall(r"`(\w+_PORT)` (\d+)", row[1]))
        text = files["docker-compose" if profile == "replicas" else profile]
        assert said == set(re.findall(r"\$\{((?!GATEWAY|TOOL_GATEWAY)\w+_PORT):-(\d+)\}", text)), (
            profile
        )
    for line in re.findall(r"^\| `(docker compose [^`]* cat [^`]*)` \|", section, re.MULTILINE):
        words = line.split()
        name = words[words.index("cat") - 1]
        (volume,) = [m.source for m in SERVICES[name].mounts if m.target == "/variables"]
        variable = words[-1].removeprefix("/variables/")
        written = [w for service in SERVICES.values() for w in service.writes]
        assert (volume, variable) in {(place, key) for place, key, _ in written}
