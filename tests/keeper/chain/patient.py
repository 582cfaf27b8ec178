"""The keeper with all the patience that there is: `python -m tests.keeper.chain.patient run ...`.

For tests that are not about how long it waits for its Redis, for its clients, or for a chain that
another instance has read further. Everything else is the keeper as it is.
"""

from __future__ import annotations

import runpy
from functools import partial

from feed import store
from keeper import app
from tests.keeper.chain.waiting import PATIENCE, UNHURRIED

if __name__ == "__main__":
    store._PATIENCE = store._HURRY = PATIENCE
    app.Limits = partial(app.Limits, **UNHURRIED)
    runpy.run_module("keeper", run_name="__main__", alter_sys=True)
