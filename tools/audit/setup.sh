#!/bin/sh
# Installs the audit tools (Slither, Halmos and its solvers) into .cache/audit, apart from
# .venv, whose packages they must not move. Does nothing when they are there and match
# requirements/audit.txt. Needs what tools/setup.sh installs.
set -eu

cd "$(dirname "$0")/../.."
venv=.cache/audit
log=.cache/audit-setup.log
key=$(.venv/bin/python --version && pwd -P && sha256sum <requirements/audit.txt)

ready() {
    [ -f $venv/.stamp ] && [ "$(cat $venv/.stamp)" = "$key" ]
}

if ready; then
    exit 0
fi

# One set-up at a time; whoever waited finds the work done. The lock dies with its holder.
mkdir -p .cache
if command -v flock >/dev/null 2>&1; then
    exec 9>.cache/audit-setup.lock
    flock 9
    if ready; then
        exit 0
    fi
fi
: >"$log"

quietly() {
    if ! "$@" >>"$log" 2>&1 </dev/null; then
        tail -n 25 "$log" >&2
        echo "audit: failed: $* (all of the output is in $log)" >&2
        exit 1
    fi
}

echo "audit: installing Slither, Halmos and solvers into $venv (about a minute) ..."
rm -rf $venv
quietly .venv/bin/python -m venv $venv
# The lock is complete, so pip has nothing to resolve.
quietly $venv/bin/python -m pip install --no-input --disable-pip-version-check \
    --require-hashes --no-deps -r requirements/audit.txt
quietly $venv/bin/python -m pip check
printf '%s\n' "$key" >$venv/.stamp
