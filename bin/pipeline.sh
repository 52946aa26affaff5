#!/usr/bin/env bash
# Builds the release binaries, downloads the weights if they are missing, and runs the
# pipeline: on dataset/ if it has class folders, else on synthetic images.
# Arguments are passed to `cxr run`.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --bins
PATH="${CARGO_TARGET_DIR:-target}/release:$PATH"

cxr fetch weights

if compgen -G 'dataset/*/' | grep -qv '^dataset/sources/$'; then
    cxr run "$@"
else
    echo 'no images in dataset/: running the demo on synthetic images' >&2
    cxr run --profile demo "$@"
fi
