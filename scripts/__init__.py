"""Ape commands that deploy, operate and inspect the markets: `ape run --help`.

Ape takes every file here for a command, save those whose name begins with an underscore.
"""
