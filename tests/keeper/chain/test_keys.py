"""Keys: from a file or a keystore, and what is said of files that hold none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from eth_account import Account

from keeper.chain import keys
from keeper.errors import ConfigError
from tests.keeper.chainfixtures import KEEPER, KEEPER_KEY

DIGITS = KEEPER_KEY.removeprefix("0x")


@pytest.mark.parametrize("text", [KEEPER_KEY, DIGITS, f"\n {DIGITS.upper()} \n"])
def test_a_key_in_a_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    assert keys.from_file(tmp_path / "key").address == KEEPER


@pytest.mark.parametrize(
    "content",
    [
        b"",
        DIGITS[:-1].encode(),
        f"{DIGITS} {DIGITS}".encode(),
        b"0x" + b"0" * 64,  # no key of the curve
        b"f" * 64,
        b"\xff\xfe",
    ],
)
def test_a_file_without_a_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(ConfigError) as told:
        keys.from_file(tmp_path / "key")
    assert str(tmp_path / "key") in str(told.value)
    assert DIGITS[:16] not in str(told.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        keys.from_file(tmp_path / "key")


def test_a_secret_in_the_place_of_a_file_is_not_shown(keystore: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read the file: No such file") as told:
        keys.from_file(Path(KEEPER_KEY))
    assert DIGITS[:16] not in str(told.value)
    with pytest.raises(ConfigError, match="cannot read the file with the password: No") as told:
        keys.from_keystore(keystore, Path("open sesame"))
    assert "sesame" not in str(told.value)


def test_who_may_read_it(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(KEEPER_KEY)
    key.chmod(0o640)
    assert not keys.exposed(key)
    key.chmod(0o604)
    assert keys.exposed(key)


@pytest.fixture
def keystore(tmp_path: Path) -> Path:
    path = tmp_path / "keystore.json"
    encrypted = Account.encrypt(KEEPER_KEY, "open sesame", kdf="pbkdf2", iterations=10)
    path.write_text(json.dumps(encrypted))
    return path


def test_a_keystore(tmp_path: Path, keystore: Path) -> None:
    (tmp_path / "password").write_text("open sesame\n")
    assert keys.from_keystore(keystore, tmp_path / "password").address == KEEPER


def test_a_keystore_with_another_password(tmp_path: Path, keystore: Path) -> None:
    (tmp_path / "password").write_text("abracadabra")
    with pytest.raises(ConfigError, match="does not open with that password") as told:
        keys.from_keystore(keystore, tmp_path / "password")
    assert "abracadabra" not in str(told.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"crypto": 1, "version": 3}', KEEPER_KEY])
def test_what_is_no_keystore(tmp_path: Path, text: str) -> None:
    (tmp_path / "file").write_text(text)
    (tmp_path / "password").write_text("x")
    with pytest.raises(ConfigError, match="is no Ethereum keystore"):
        keys.from_keystore(tmp_path / "file", tmp_path / "password")
