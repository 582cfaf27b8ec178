"""No claim without a test: what the documents for auditors name is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLAIM = re.compile(r"`(tests/[\w/.]+)(?:::(\w+))?`")
DOCUMENTS = ("docs/invariants.md", "docs/security.md")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_test_that_is_named_stands(document):
    claims = CLAIM.findall((ROOT / document).read_text())
    assert len(claims) > 20
    missing = [
        f"{file}::{name}"
        for file, name in claims
        if not (ROOT / file).exists()
        or (name and not re.search(rf"(def|function) {name}\(", (ROOT / file).read_text()))
    ]
    assert not missing


def test_invariants_are_numbered_without_a_gap_and_each_names_what_holds_it():
    text = (ROOT / "docs/invariants.md").read_text()
    parts = re.split(r"^(\d+)\. ", text, flags=re.MULTILINE)[1:]
    numbers, bodies = parts[::2], parts[1::2]
    assert [int(number) for number in numbers] == list(range(1, len(numbers) + 1))
    assert all(CLAIM.search(body) for body in bodies)


def test_the_threat_model_names_invariants_that_exist():
    count = len(re.findall(r"^\d+\. ", (ROOT / "docs/invariants.md").read_text(), re.MULTILINE))
    text = (ROOT / "docs/security.md").read_text()
    named = [
        int(n) for group in re.findall(r"\((\d+(?:, \d+)*)\)", text) for n in group.split(", ")
    ]
    assert named
    assert max(named) <= count
