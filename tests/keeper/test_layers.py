"""Arrows point inward: what each part of keeper and feed may import, read from its source."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = "keeper", "feed"

# A layer is a folder or a module of keeper, or feed as a whole; it may import itself and these.
# What does something may count it, too. The feed cannot come near a key, a journal or a sender.
MAY = {
    "domain": set[str](),
    "errors": {"domain"},
    "ports": {"domain", "errors"},
    "projection": {"domain", "ports"},
    "duties": {"domain", "ports", "projection"},
    "sources": {"domain", "ports", "errors", "metrics"},
    "chain": {"domain", "ports", "errors", "metrics"},
    "store": {"domain", "ports", "errors", "metrics"},
    "feed": {"domain", "ports", "errors", "metrics", "projection"},
    "metrics": set[str](),
}
MODULES = sorted(path for name in PACKAGES for path in (ROOT / name).rglob("*.py"))


def layer(path: Path) -> str:
    package, first, *_ = path.relative_to(ROOT).parts
    return package if package == "feed" else first.removesuffix(".py")


def imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports have full names"
            # `from keeper import ports` names a layer too
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def foreign(of: str, names: Iterator[str]) -> list[str]:
    """The imports that a layer may not have."""
    may = MAY.get(of)
    wrong = []
    for name in names:
        top, _, rest = name.partition(".")
        if top in ("ape", "scripts", "demo", "tests"):
            wrong.append(name)
        elif top == "feed":
            if of not in ("feed", "app"):  # who wires all together
                wrong.append(name)
        elif top == "keeper" and may is not None:
            if rest.partition(".")[0] not in {of, *may}:
                wrong.append(name)
        elif of == "domain" and top != "keeper" and top not in sys.stdlib_module_names:
            wrong.append(name)
    return wrong


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_inward(path: Path) -> None:
    assert foreign(layer(path), imports(path.read_text())) == []


@pytest.mark.parametrize(
    ("of", "line"),
    [
        ("domain", "import httpx"),
        ("domain", "from keeper.ports import Head"),
        ("domain", "from keeper import ports"),
        ("duties", "from keeper.errors import KeeperError"),
        ("store", "from keeper.sources import read"),
        ("sources", "import keeper.chain.rpc"),
        ("feed", "from keeper.chain.keys import from_file"),
        ("follow", "from feed.hub import Hub"),
        ("app", "import ape"),
        ("chain", "from ape.api import AccountAPI"),
        ("__main__", "from scripts.deploy import cli"),
    ],
)
def test_an_arrow_outward_is_seen(of: str, line: str) -> None:
    assert foreign(of, imports(line))


def test_there_is_something_to_look_at() -> None:
    assert {"domain", "sources", "store", "ports", "errors", "feed"} <= {
        layer(path) for path in MODULES
    }
