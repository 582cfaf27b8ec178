"""The matrix names what is tried, all of it and nothing else."""

from tests.faults.matrix import PAGE, existing, listed


def test_the_matrix_names_every_case() -> None:
    cases = existing()
    assert len(cases) > 50
    assert listed(PAGE.read_text()) == cases
