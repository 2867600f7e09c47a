#!/usr/bin/env bash
# How fast rooms come and what they cost, beside LXC on the same root file system (as root):
#
#   create.sh        the table; ends with 1 when a limit is not held
#
# PIAULE_BIN measures another binary than target/release/piaule.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."
exec /usr/bin/python3 -B tests/bench/create
