#!/bin/sh
# Installs what the checkout needs into the checkout: .venv, node_modules and the
# compiler in .solcx. Does nothing when all of it is there and matches the lock files.
# Needs no root and asks nothing. Safe to interrupt, and to start twice at a time.
set -eu

cd "$(dirname "$0")/.."
root=$(pwd -P)
log=$root/.cache/setup.log

fail() {
    echo "setup: $1" >&2
    exit 1
}

# The first Python that will do; PYTHON=... overrides. Older ones come first because the
# locked numpy has no wheel for the newest Python.
find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3.13 python3}; do
        # Debian's python3 without python3-venv has venv but not ensurepip.
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' \
            >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
}

python=$(find_python)
node_major=$(node -p 'process.versions.node.split(".")[0]' 2>/dev/null || echo 0)
missing=
[ -n "$python" ] || missing="$missing, Python 3.11 or newer with venv (Debian: python3 python3-venv)"
[ "$node_major" -ge 20 ] || missing="$missing, Node 20 or newer"
command -v npm >/dev/null 2>&1 || missing="$missing, npm"
[ -z "$missing" ] || fail "missing: ${missing#, }. Install it and run again."

# What each installation depends on; its stamp holds this and is written last.
node_key=$(node --version && cat package.json package-lock.json | sha256sum)
python_key=$("$python" --version && echo "$root" && sha256sum <requirements/dev.txt)
tools_key=$(echo "$node_key $python_key" && cat tools/*.js tools/*.py tools/*.sh | sha256sum)

current() {
    [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

node_ready() { current node_modules/.stamp "$node_key"; }
python_ready() { current .venv/.stamp "$python_key"; }
tools_ready() { current .venv/.stamp-tools "$tools_key" && [ -x .solcx/solc-v0.8.30 ]; }

all_ready() { node_ready && python_ready && tools_ready; }

if all_ready; then
    exit 0
fi

# One set-up at a time; whoever waited finds the work done. The lock dies with its holder.
mkdir -p .cache
if command -v flock >/dev/null 2>&1; then
    exec 9>.cache/setup.lock
    flock 9
    if all_ready; then
        exit 0
    fi
fi
: >"$log"

quietly() {
    if ! "$@" >>"$log" 2>&1 </dev/null; then
        tail -n 25 "$log" >&2
        fail "failed: $* (all of the output is in .cache/setup.log)"
    fi
}

if ! node_ready; then
    echo "setup: installing the compiler, OpenZeppelin and Foundry into node_modules ..."
    rm -rf node_modules
    # No package here needs its install script: the binaries lie in the packages.
    quietly npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    printf '%s\n' "$node_key" >node_modules/.stamp
fi

if ! python_ready; then
    echo "setup: installing the Python packages into .venv (about a minute) ..."
    rm -rf .venv
    quietly "$python" -m venv .venv
    # The lock is complete, so pip has nothing to resolve.
    quietly .venv/bin/python -m pip install --no-input --disable-pip-version-check \
        --require-hashes --no-deps -r requirements/dev.txt
    quietly .venv/bin/python -m pip check
    printf '%s\n' "$python_key" >.venv/.stamp
fi

if ! tools_ready; then
    # The binaries themselves, not npm's Node wrappers: a signal must reach anvil.
    for tool in anvil forge; do
        native=
        for file in node_modules/@foundry-rs/"$tool"-*/bin/"$tool"; do
            [ -x "$file" ] && native=$file
        done
        [ -n "$native" ] || fail "no $tool for this kind of machine in node_modules/@foundry-rs"
        ln -sf "../../$native" ".venv/bin/$tool"
    done

    # py-solc-x takes solc-vX.Y.Z in this folder for a compiler it has installed. It starts
    # it with --version several times a run: answered here, without starting Node.
    mkdir -p .solcx
    version=$(node tools/solc.js --version)
    cat >.solcx/solc.tmp <<EOF
#!/bin/sh
if [ "\$*" = --version ]; then
    echo "$version"
else
    exec node "$root/tools/solc.js" "\$@"
fi
EOF
    chmod +x .solcx/solc.tmp
    mv .solcx/solc.tmp .solcx/solc-v0.8.30

    site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    cp tools/checkout.py "$site/_lottochain_checkout.py"
    echo "import _lottochain_checkout" >"$site/lottochain.pth"

    printf '%s\n' "$tools_key" >.venv/.stamp-tools
fi

echo "setup: done"
