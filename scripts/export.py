"""ape run export: the compiled contract's ABI, for the keeper and every integrator."""

from __future__ import annotations

from pathlib import Path

import ape
import click

from scripts._cli import one_line
from scripts._deployment import CONTRACT, abi_text
from scripts._errors import UserError

_FOLDER = Path(__file__).resolve().parent.parent / "keeper" / "abi"


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when the file is not current.")
def cli(check: bool) -> None:
    """Compiles the contract and writes its ABI to keeper/abi, which is committed.

    Needs no network. Run it after every change of the contract's interface; a test runs it
    with --check.

    \b
    ape run export
    """
    with one_line():
        _export(check)


def _export(check: bool) -> None:
    text = abi_text(ape.project.get_contract(CONTRACT).contract_type)
    path = _FOLDER / f"{CONTRACT}.json"
    current = path.exists() and path.read_text(encoding="utf-8") == text
    if check and not current:
        raise UserError(f"{path} is not the contract's ABI: `ape run export` writes it")
    if not current:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    click.echo(f"{path} {'is current' if current else 'written'}")
