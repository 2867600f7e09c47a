#!/usr/bin/env bash
# The panel in Debian's Chromium, through the real proxy of a real house (as root):
#
#   run.sh [PYTEST OPTION…]     for example `run.sh -k phone`
#
# Screenshots are left in target/browser. PIAULE_BIN names another binary than the debug one.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

TOOLS=$PWD/target/browser/tools

die() { printf 'browser: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || die "a house needs root: run it again with sudo"
missing=()
for need in chromium:chromium certutil:libnss3-tools ip:iproute2 ssh-keygen:openssh-client; do
    command -v "${need%%:*}" > /dev/null || missing+=("${need##*:}")
done
[ ${#missing[@]} = 0 ] || die "this needs: apt-get install ${missing[*]}"

if ! "$TOOLS/bin/python" -c 'import playwright, pytest' 2> /dev/null; then
    /usr/bin/python3 -m venv "$TOOLS" || die "this needs: apt-get install python3-venv"
    # The wheel brings no browser: Debian's is used.
    "$TOOLS/bin/pip" install --quiet --requirement tests/browser/requirements.txt
fi
exec "$TOOLS/bin/python" -B -m pytest -p no:cacheprovider tests/browser "$@"
