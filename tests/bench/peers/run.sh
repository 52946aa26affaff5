#!/bin/sh
# Compares cxr with its peers on this machine: see README.md beside it.
#
#   tests/bench/peers/run.sh [--rounds 3] [--rotations 5] [--job] ...
#   tests/bench/peers/run.sh --small
#
# CXR_BIN=DIR takes the programs from there instead of building them.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
venv=$root/target/peers/venv
list=$here/requirements.txt
case " $* " in *" --small "*)
    venv=$root/target/peers/small
    list=$here/requirements-small.txt
esac

# The copy of the list is made last: it tells that the installation is whole.
if ! cmp -s "$list" "$venv/requirements.txt"; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$list"
    cp "$list" "$venv/requirements.txt"
fi

# `--install` installs the packages and ends.
case " $* " in *" --install "*) exit ;; esac

if [ -z "${CXR_BIN:-}" ]; then
    cargo build --release --manifest-path "$root/Cargo.toml"
    CXR_BIN=${CARGO_TARGET_DIR:-$root/target}/release
fi
export CXR_BIN
exec "$venv/bin/python" "$here/compare.py" "$@"
