"""Settings: which they are, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.config import Settings, load, need
from keeper.errors import ConfigError

SECRET = "s3cr3t"


def set_(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(f"LOTTOCHAIN_{name}", value)


def test_without_any_setting_the_defaults_hold() -> None:
    settings = load()
    assert settings.games == ("powerball", "mega-millions")
    assert (settings.rounds_ahead, settings.report_delay_seconds) == (3, 300)
    assert settings.log_format == "console"
    with pytest.raises(ConfigError) as told:
        need(settings, "data_dir", "rpc_url", "chain_id")
    assert str(told.value).splitlines() == [
        "LOTTOCHAIN_RPC_URL is missing: http(s) URLs of nodes, by commas, the preferred first",
        "LOTTOCHAIN_CHAIN_ID is missing: the id of the chain that the nodes serve",
    ]


def test_every_setting_says_what_it_wants() -> None:
    assert all(field.description for field in Settings.model_fields.values())


def test_every_kind_of_setting_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    set_(monkeypatch, CHAIN_ID="7", SOURCES__NY="http://ny", SOURCES__TEXAS="http://texas")
    set_(monkeypatch, GAMES="mega-millions, powerball", ORIGINS="https://a.example")
    set_(monkeypatch, HOSTS="a.example,[::1]", PROXIES="10.0.0.0/8, ::1")
    set_(monkeypatch, RPC_URL="http://a, http://b", CONFIRMATIONS="3", TIP_GWEI="")
    settings = load()
    assert settings.chain_id == 7
    assert {name: str(url) for name, url in settings.sources.items()} == {
        "ny": "http://ny/",
        "texas": "http://texas/",
    }
    assert settings.games == ("mega-millions", "powerball")
    assert settings.origins == ("https://a.example",)
    assert settings.hosts == ("a.example", "[::1]")
    assert [str(network) for network in settings.proxies] == ["10.0.0.0/8", "::1/128"]
    assert settings.history_file == Path("data/history.sqlite")
    assert [str(url.get_secret_value()) for url in settings.rpc_url] == ["http://a/", "http://b/"]
    need(settings, "rpc_url", "chain_id")
    assert (settings.confirmations, settings.tip_gwei) == (3, None)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("RPC_URL", f"ftp://u:{SECRET}@host", "wants http(s) URLs of nodes"),
        ("ORIGINS", f"https://{SECRET}.example/", "wants origins of pages that may connect"),
        ("ORIGINS", "not a url", "wants origins of pages that may connect"),
        ("RPC_URL", SECRET, "wants http(s) URLs of nodes"),
        ("CHAIN_ID", SECRET, "wants the id of the chain"),
        ("CHAIN_ID", "-1", "(input should be greater than or equal to 0)"),
        ("GAMES", f"powerball,{SECRET}", "wants powerball or mega-millions, by commas"),
        ("POLL_SECONDS", "0", "greater than 0"),
        ("HTTP_PORT", "70000", "less than or equal to 65535"),
        ("SETTLE_BATCH", "1000", "bettors in one settling"),
        ("LOG_FORMAT", SECRET, "console or json"),
        ("GAMES", ",", "wants powerball or mega-millions, by commas"),
        ("CONFIRMATIONS", SECRET, "blocks upon a result before it is paid out"),
        ("HOSTS", "a.example:80", "names under which it may be asked"),
        ("PROXIES", "10.0.0.1/8", "networks of proxies"),
        ("SOURCES__NY", SECRET, "another base URL of this publisher"),
        ("SOURCES__NY", f'{{"url": "{SECRET}"}}', "another base URL of this publisher"),
        ("SOURCES__NY__URL", SECRET, "there is no such setting"),
        ("SOURCES__NOWHERE", "http://x", "there is no such setting"),
        ("MAX_FEE_GWIE", "40", "there is no such setting"),
        ("SOURCES", "{}", "there is no such setting"),
        ("SOURCES", SECRET, "there is no such setting"),
        ("KEYSTORE", "key.json", "LOTTOCHAIN_KEYSTORE_PASSWORD_FILE is missing"),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    set_(monkeypatch, **{name: value})
    with pytest.raises(ConfigError) as told:
        load()
    (line,) = str(told.value).splitlines()
    assert line.startswith(f"LOTTOCHAIN_{name}")
    assert says in line
    assert SECRET not in line


def test_every_wrong_setting_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    set_(monkeypatch, CHAIN_ID="x", HTTP_PORT="y", TIP_GWEI="z")
    with pytest.raises(ConfigError) as told:
        load()
    assert len(str(told.value).splitlines()) == 3


def test_two_keys_are_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    set_(monkeypatch, KEY_FILE="a", KEYSTORE="b", KEYSTORE_PASSWORD_FILE="c")
    with pytest.raises(ConfigError, match="LOTTOCHAIN_KEY_FILE, LOTTOCHAIN_KEYSTORE: one of"):
        load()
