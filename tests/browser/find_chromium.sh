#!/usr/bin/env bash
# See to it that there is a Chromium for the tests in a browser: on PATH, or, where that may be done, from Debian's packages.
set -euo pipefail
for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null && exit 0
done
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get install --quiet --quiet --yes --no-install-recommends chromium >/dev/null 2>&1 ||
    { apt-get update --quiet --quiet >/dev/null && apt-get install --quiet --quiet --yes --no-install-recommends chromium >/dev/null; }
  exit 0
fi
echo "There is no Chromium here: install it (chromium, chromium-browser or google-chrome on PATH) for the tests in a browser, which are skipped without." >&2
exit 1
