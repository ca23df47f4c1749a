#!/usr/bin/env bash
# The tests of the dashboard and of the client that it is built on. Node.js is
# needed for nothing but their source, and Chromium only for the page tests, so a
# machine without them passes and says what was left out; with CI=true it fails.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../web"

# without names what is missing and what is not tested for it.
without() {
	echo "web: $1 is not installed: $2 are skipped"
	if [[ ${CI:-} == true ]]; then
		echo "web: CI must run them" >&2
		exit 1
	fi
}

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
	without Node.js "the dashboard's tests"
	exit 0
fi
if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
	npm ci --no-audit --no-fund
	touch node_modules/.package-lock.json
fi
npm test

for program in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
	if [[ -n $program ]] && command -v "$program" >/dev/null; then
		exec npm run e2e
	fi
done
without Chromium "the dashboard's page tests"
