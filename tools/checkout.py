"""Makes the virtual environment know its checkout.

The set-up copies this file into the environment, where it runs at every start of Python.
So `ape`, `pytest` and `python -m keeper` work the same with and without activation.
"""

import os
import sys

_ROOT = os.path.dirname(sys.prefix)

# In front of site-packages, where some distribution leaves a package named "tests".
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)

# py-solc-x looks for compilers here, and puts here those it downloads.
os.environ.setdefault("SOLCX_BINARY_PATH", os.path.join(_ROOT, ".solcx"))

# ape-foundry looks for anvil on the path.
_BIN = os.path.join(sys.prefix, "bin")
_PATH = os.environ.get("PATH", os.defpath)
if _BIN not in _PATH.split(os.pathsep):
    os.environ["PATH"] = _BIN + os.pathsep + _PATH
