"""Tests of the contracts on a real chain, run by `ape test`."""

import pytest

# Their asserts, too, then say what differed.
pytest.register_assert_rewrite("tests.contracts.support")
