"""The systemd unit and the compose file: what they set exists, and what they promise holds."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from prometheus_client import Counter, Gauge

from keeper import metrics
from keeper.__main__ import main
from keeper.config import VARIABLES, Settings

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy" / "lottochain-keeper.service"
WEB_UNIT = ROOT / "deploy" / "lottochain-web@.service"
COMPOSE = ROOT / "deploy" / "compose.yaml"
GUIDE = ROOT / "docs" / "operations.md"
BINARY = "/opt/lottochain/bin/lottochain-keeper"
# What a key or a settlement would be lost by, if somebody loosened it.
PROMISED = {
    "Type": "notify",
    "Restart": "always",
    "DynamicUser": "yes",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "StateDirectory": "lottochain",
    "UMask": "0077",
    "LimitCORE": "0",
    "CapabilityBoundingSet": "",
    "MemoryDenyWriteExecute": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "LoadCredential": "key:/etc/lottochain/key",
    "EnvironmentFile": "/etc/lottochain/keeper.env",
}
# The same but for what an instance has of its own, and it has no key.
PROMISED_OF_WEB = {
    **{name: value for name, value in PROMISED.items() if name != "LoadCredential"},
    "StateDirectory": "lottochain-web-%i",
    "EnvironmentFile": "/etc/lottochain/web.env",
}
Section = dict[str, list[str]]


def sections(text: str) -> dict[str, Section]:
    """Of a unit file: each section's values by key, in order."""
    found: dict[str, Section] = {}
    for line in text.splitlines():
        if line.startswith("["):
            current = found.setdefault(line.strip("[]"), {})
        elif line and not line.startswith("#"):
            key, _, value = line.partition("=")
            current.setdefault(key, []).append(value)
    return found


@pytest.fixture
def service() -> Section:
    return sections(UNIT.read_text())["Service"]


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return found


@pytest.mark.parametrize(
    ("source", "name"), [(UNIT, UNIT.name), (WEB_UNIT, "lottochain-web@8081.service")]
)
def test_the_unit_is_one_that_systemd_takes(source: Path, name: str, tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    assert tool, "systemd-analyze is part of Debian's systemd: apt-get install systemd"
    unit = tmp_path / name
    unit.write_text(source.read_text().replace(BINARY, "/bin/true"))
    drop_ins = re.findall(r"```ini\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    for drop_in in (None, *(drop_ins if source is UNIT else ())):
        if drop_in:
            (tmp_path / f"{name}.d").mkdir(exist_ok=True)
            (tmp_path / f"{name}.d" / "own.conf").write_text(drop_in.replace(BINARY, "/bin/true"))
        done = subprocess.run(
            [tool, "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
    rated = subprocess.run(
        [tool, "security", "--offline=yes", "--threshold=15", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert rated.returncode == 0, rated.stdout  # 1.5 of 10: what it may do is use the network


def test_the_unit_keeps_what_it_promises(service: Section) -> None:
    assert {key: service.get(key) for key in PROMISED} == {k: [v] for k, v in PROMISED.items()}
    assert service["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert 130 < int(service["MemoryMax"][0].removesuffix("M")) <= 300
    assert int(service["WatchdogSec"][0]) >= 30
    assert "LOTTOCHAIN_KEY_FILE=%d/key" in service["Environment"]
    assert "LOTTOCHAIN_DATA_DIR=%S/lottochain" in service["Environment"]


def test_the_unit_of_web_instances_promises_as_much_and_knows_no_key() -> None:
    text = WEB_UNIT.read_text()
    service = sections(text)["Service"]
    assert {key: service.get(key) for key in PROMISED_OF_WEB} == {
        k: [v] for k, v in PROMISED_OF_WEB.items()
    }
    own = sections(UNIT.read_text())["Service"]
    same = own.keys() - PROMISED.keys() - {"ExecStart", "Environment", "TimeoutStopSec"}
    same -= {"WorkingDirectory", "MemoryHigh", "MemoryMax", "LimitNOFILE"}
    assert {key: service.get(key) for key in same} == {key: own[key] for key in same}
    assert "LOTTOCHAIN_HTTP_PORT=%i" in service["Environment"]
    assert not re.search(r"credential|LOTTOCHAIN_KEY|--send", text, re.IGNORECASE)
    (command,) = service["ExecStart"]
    assert command == f"{BINARY} run --role web"


@pytest.mark.parametrize("unit", [UNIT, WEB_UNIT], ids=lambda p: p.name)
def test_what_the_unit_starts_is_a_command(unit: Path) -> None:
    (command,) = sections(unit.read_text())["Service"]["ExecStart"]
    binary, *args = command.split()
    assert binary == BINARY
    assert '\nlottochain-keeper = "keeper.__main__:main"\n' in (ROOT / "pyproject.toml").read_text()
    assert CliRunner().invoke(main, [*args, "--help"]).exit_code == 0


def test_compose_restricts_and_names_no_registry(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services.keys() == {"operator", "web1", "web2", "redis"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["restart"] == "unless-stopped"
        assert service["mem_limit"]
        assert service["healthcheck"]["test"][0] == "CMD"
        assert set(service["networks"]) <= compose["networks"].keys()
        assert "/" not in service.get("image", "")
    redis = services.pop("redis")
    assert "ports" not in redis
    assert compose["networks"][redis["networks"][0]] == {"internal": True}
    assert {name: service["ports"] for name, service in services.items()} == {
        "operator": ["127.0.0.1:8080:8080"],
        "web1": ["127.0.0.1:8081:8080"],
        "web2": ["127.0.0.1:8082:8080"],
    }
    for name, service in services.items():
        assert "/readyz" in service["healthcheck"]["test"][-1]
        (bound,) = service["volumes"]
        volume, _, mounted = bound.partition(":")
        assert volume in compose["volumes"]
        assert mounted == service["environment"]["LOTTOCHAIN_DATA_DIR"]
        assert CliRunner().invoke(main, [*service["command"], "--help"]).exit_code == 0
        if name != "operator":
            assert service["command"] == ["run", "--role", "web"]
            assert "secrets" not in service
            assert not [key for key in service["environment"] if "KEY" in key]
    operator = services["operator"]
    assert operator["command"] == ["run", "--send", "--role", "operator"]
    (secret,) = operator["secrets"]
    assert operator["environment"]["LOTTOCHAIN_KEY_FILE"] == f"/run/secrets/{secret}"
    assert list(compose["secrets"][secret]) == ["file"]
    assert len({service["volumes"][0] for service in services.values()}) == 3
    folder, build = COMPOSE.parent, operator["build"]
    recipe = (folder / build["context"] / build["dockerfile"]).read_text()
    assert f" {mounted}\n" in recipe
    for copied in re.findall(r"^COPY (\S+)", recipe, re.MULTILINE):
        assert (folder / build["context"] / copied).exists()
        assert f"!{copied}\n" in (folder / "Dockerfile.dockerignore").read_text()


def test_git_takes_no_secret_of_the_compose_file(compose: dict[str, Any]) -> None:
    (secret,) = compose["secrets"].values()
    folder = (COMPOSE.parent / secret["file"]).parent.relative_to(ROOT)
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {f"/{folder}/", compose["services"]["operator"]["env_file"]} <= set(ignored)


@pytest.mark.parametrize("path", [UNIT, WEB_UNIT, COMPOSE, GUIDE], ids=lambda p: p.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    named = set(re.findall(r"LOTTOCHAIN_\w+", path.read_text()))
    assert named
    assert named - VARIABLES.keys() == set()


def test_values_that_are_set_are_taken(
    compose: dict[str, Any], service: Section, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_unit = dict(pair.split("=", 1) for pair in service["Environment"])
    of_compose = (s.get("environment", {}) for s in compose["services"].values())
    for values in (*filter(None, of_compose), of_unit):
        with monkeypatch.context() as patch:
            for name, value in values.items():
                patch.setenv(name, value)
            assert Settings().log_format == "json"


def test_the_guide_names_every_figure_and_no_other() -> None:
    own = [m for m in vars(metrics).values() if isinstance(m, Counter | Gauge)]
    names = {
        family.name + ("_total" if isinstance(m, Counter) else "")
        for m in own
        for family in m.describe()
    }
    text = GUIDE.read_text()
    table = set(re.findall(r"^\| `(lottochain_\w+)", text, re.MULTILINE))
    assert table == names
    assert set(re.findall(r"lottochain_\w+", text)) == names


def test_what_the_guide_has_an_answer_to_is_what_the_keeper_says() -> None:
    """Every line quoted in its last table, `...` and N aside, stands in the source."""
    files = [path for package in ("keeper", "feed") for path in (ROOT / package).rglob("*.py")]
    source = "\n".join(path.read_text() for path in files)
    _, _, answers = GUIDE.read_text().partition("## What to do when")
    rows = re.findall(r"^\| (`[^|]+) \|", answers, re.MULTILINE)
    said = [quote for row in rows for quote in re.findall(r"`([^`]+)`", row)]
    assert len(said) > 10
    parts = [re.sub(r"\.\.\. ?| ?\.\.\.| N$", "", quote) for quote in said]
    assert [part for part in parts if part not in source] == []
