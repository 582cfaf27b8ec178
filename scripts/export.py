"""ape run export: the compiled contracts' ABIs, for the keeper and every integrator."""

from __future__ import annotations

from pathlib import Path

import ape
import click

from scripts._cli import one_line
from scripts._contracts import contract_type
from scripts._deployment import CONTRACTS, abi_text
from scripts._errors import UserError

_FOLDER = Path(__file__).resolve().parent.parent / "keeper" / "abi"


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when a file is not current.")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=_FOLDER,
    help="Where to write, instead of keeper/abi.",
)
def cli(check: bool, folder: Path) -> None:
    """Compiles the contracts and writes their ABIs to keeper/abi, which is committed.

    Needs no network. Run it after every change of a contract's interface; a test compares what
    it writes with what is committed.

    \b
    Example:
      ape run export
    """
    with one_line():
        for contract in CONTRACTS:
            _export(contract, check, folder)


def _export(contract: str, check: bool, folder: Path) -> None:
    text = abi_text(contract_type(ape.project, contract))
    path = folder / f"{contract}.json"
    current = path.exists() and path.read_text(encoding="utf-8") == text
    if check and not current:
        raise UserError(f"{path} is not the ABI of {contract}: `ape run export` writes it")
    if not current:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as exc:
            raise UserError(f"cannot write {path}: {exc.strerror}") from exc
    click.echo(f"{path} {'is current' if current else 'written'}")
