"""Makes the virtual environment know its checkout.

The set-up copies this file into the environment, where it runs at every start of Python.
So `ape`, `pytest` and `python -m keeper` work the same with and without activation.
"""

import os
import sys

_ROOT = os.path.dirname(sys.prefix)

# The slash at the end is for `ape run`, which takes the checkout off the path, spelled
# without one, after loading a script: an import inside a function would then fail. In front
# of site-packages, because some distribution leaves a package named "tests" in there.
sys.path.insert(0, _ROOT + os.sep)

# py-solc-x looks for compilers here, and puts here those it downloads.
os.environ.setdefault("SOLCX_BINARY_PATH", os.path.join(_ROOT, ".solcx"))

# ape-foundry looks for anvil on the path.
_BIN = os.path.join(sys.prefix, "bin")
_PATH = os.environ.get("PATH", os.defpath)
if _BIN not in _PATH.split(os.pathsep):
    os.environ["PATH"] = _BIN + os.pathsep + _PATH
