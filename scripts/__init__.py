"""Ape commands that deploy, operate and inspect the markets: `ape run --help`.

Ape takes every file here for a command, save those whose name begins with an underscore.
"""

import gc

# A command imports some two thousand modules, lives two seconds and makes little garbage:
# looking for it so often would take a third of that time.
gc.set_threshold(100_000, 50, 50)
