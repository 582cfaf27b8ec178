"""The keeper's key: from a file or an Ethereum keystore, never shown."""

import re
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount

from keeper.errors import ConfigError

_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")


def from_file(path: Path) -> LocalAccount:
    """The account whose private key, 32 bytes in hexadecimal, is all that the file holds.

    Raises ConfigError, which never shows what it read.
    """
    text = _read(path).strip()
    if not _KEY.fullmatch(text):
        raise ConfigError(f"{path} holds no private key: 64 hexadecimal digits and nothing else")
    try:
        account: LocalAccount = Account.from_key(text)
    except ValueError:
        raise ConfigError(f"{path} holds no private key that can be used") from None
    return account


def from_keystore(path: Path, password_file: Path) -> LocalAccount:
    """The account of an Ethereum keystore file. Takes seconds, by intent. Raises ConfigError."""
    text = _read(path)
    password = _read(password_file, "the file with the password").rstrip("\r\n")
    try:
        account: LocalAccount = Account.from_key(Account.decrypt(text, password))
    except (ValueError, TypeError, LookupError, AttributeError) as exc:
        wrong = "MAC mismatch" in str(exc)
        why = "does not open with that password" if wrong else "is no Ethereum keystore"
        raise ConfigError(f"{path} {why}") from None
    return account


def exposed(path: Path) -> bool:
    """Whether other users of this machine may read the file."""
    return bool(path.stat().st_mode & 0o004)


def _read(path: Path, what: str = "the file") -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        # Not its name, which is the secret itself where somebody set that in place of a file.
        raise ConfigError(f"cannot read {what}: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not text") from None
