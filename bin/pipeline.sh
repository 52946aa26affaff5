#!/usr/bin/env bash
# Builds in release, fetches the weights if they are missing, and runs the
# pipeline: on dataset/ if it holds class folders, else on synthetic films.
# Arguments go to `cxr run`.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --bins
PATH="${CARGO_TARGET_DIR:-target}/release:$PATH"

cxr fetch weights

if compgen -G 'dataset/*/' | grep -qv '^dataset/sources/$'; then
    cxr run "$@"
else
    echo 'no films in dataset/: running the demo on synthetic films' >&2
    cxr run --profile demo "$@"
fi
