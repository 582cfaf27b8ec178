"""How fast the keeper's server tells many, beside what others do on the same machine.

`make bench` measures and judges. Nothing of it belongs to `make test`, but the tests of its parts
that need no time: no test's verdict may depend on how busy a machine is.
"""
