#!/bin/sh
# Resolves the dependencies of pyproject.toml, package.json and tests/bench/package.json anew.
# UPGRADE=1 also moves what the locks already hold to the newest releases that fit.
set -eu

cd "$(dirname "$0")/.."

uv=.cache/lock/bin/uv
if [ ! -x "$uv" ]; then
    "${PYTHON:-python3}" -m venv .cache/lock
    .cache/lock/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
fi

compile() {
    # No configuration of this machine may leak into a lock: neither indexes nor paths.
    "$uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" \
        ${UPGRADE:+--upgrade} "$@"
}

compile pyproject.toml --group ape --group test --group lint --output-file requirements/dev.txt
# What a keeper runs with in production is what it was tested with.
compile pyproject.toml --constraint requirements/dev.txt --output-file requirements/keeper.txt
# The audit tools share nothing with the code that they look at.
compile --group audit --output-file requirements/audit.txt

for folder in . tests/bench; do
    [ -z "${UPGRADE:-}" ] || npm update --prefix "$folder" --package-lock-only --ignore-scripts \
        --omit-lockfile-registry-resolved
    npm install --prefix "$folder" --package-lock-only --ignore-scripts --no-audit --no-fund \
        --loglevel=error --omit-lockfile-registry-resolved
done

if grep -nE '://|/opt/|^-' requirements/*.txt ||
    grep -n '"resolved"' package-lock.json tests/bench/package-lock.json; then
    echo "lock: the locks name a place, see above" >&2
    exit 1
fi
