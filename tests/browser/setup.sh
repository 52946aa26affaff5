#!/usr/bin/env bash
# Installs the requirements of the browser tests if missing: Chromium (Debian package) and
# axe-core (npm). Never fails: without them the tests are skipped with a message.
set -uo pipefail
cd "$(dirname "$0")/../.."

if ! command -v chromium chromium-browser google-chrome >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        timeout 300 sh -c 'apt-get update -qq &&
            apt-get install -y -qq --no-install-recommends chromium >/dev/null'
    fi
    command -v chromium >/dev/null || echo 'cannot find Chromium: the browser tests will be skipped' >&2
fi

if [ ! -f target/browser/node_modules/axe-core/axe.min.js ]; then
    if command -v npm >/dev/null; then
        timeout 120 npm install --silent --no-save --ignore-scripts --prefix target/browser axe-core@4 >/dev/null
    fi
    [ -f target/browser/node_modules/axe-core/axe.min.js ] ||
        echo 'cannot find axe-core: the accessibility check will be skipped' >&2
fi
exit 0
