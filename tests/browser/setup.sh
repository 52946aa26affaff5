#!/usr/bin/env bash
# What the tests of the report in a browser need: Chromium from Debian's packages and
# axe-core from npm, where they are missing and can be had. The tests say what they
# skip; this never fails for them.
set -uo pipefail
cd "$(dirname "$0")/../.."

if ! command -v chromium chromium-browser google-chrome >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        timeout 300 sh -c 'apt-get update -qq &&
            apt-get install -y -qq --no-install-recommends chromium >/dev/null'
    fi
    command -v chromium >/dev/null || echo 'no chromium: its tests will be skipped' >&2
fi

if [ ! -f target/browser/node_modules/axe-core/axe.min.js ]; then
    if command -v npm >/dev/null; then
        timeout 120 npm install --silent --no-save --ignore-scripts --prefix target/browser axe-core@4 >/dev/null
    fi
    [ -f target/browser/node_modules/axe-core/axe.min.js ] ||
        echo 'no axe-core: the accessibility check will be skipped' >&2
fi
exit 0
