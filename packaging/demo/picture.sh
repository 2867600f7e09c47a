#!/usr/bin/env bash
# Prints what Piaule makes on a host and must take away again, one object a line: two pictures of
# the same host differ by exactly what came or went in between.
#
#   picture.sh [FOLDER]     FOLDER: where a house keeps its state and mounts its pool
#
# What changes by itself is left out: counters, ages, ids given anew, neighbours that were learnt.
set -uo pipefail

folder=${1:-}

section() { # NAME COMMAND...
    local name=$1
    shift
    "$@" 2> /dev/null | sed "s|^|$name: |" | LC_ALL=C sort
}

addresses() { ip -oneline address | sed 's/ tentative//; s/ *\\ *valid_lft.*//'; }
routes() { { ip -4 route show table all; ip -6 route show table all; } | sed 's/ expires [0-9]*sec//'; }
mounts() { awk '{ sub(/^[0-9]+ [0-9]+ [0-9]+:[0-9]+ /, ""); sub(/ (shared|master):[0-9]+/, ""); print }' /proc/self/mountinfo; }
cgroups() { find /sys/fs/cgroup -type d -ipath '*piaule*'; }
# Rooms have the uids from 655360 on; the rest is found by the program's name.
processes() { ps -e -o uid= -o comm= | awk '$1 >= 655360 || $2 == "piaule"'; }
namespaces() { lsns --noheadings --list --type user --output TYPE,NS; }
subvolumes() { btrfs subvolume list "$folder/pool" | awk '{ print $2, $NF }'; }
quotas() { btrfs qgroup show "$folder/pool" | awk '$1 ~ "/" { print $1 }'; }
files() { find "$folder/state" "$folder/run"; find "$folder/pool" -maxdepth 3; }
settings() { sysctl --all --pattern '^net\.ipv[46]\.(ip_forward|conf\.(all|default)\.)'; }

section link ip -oneline link
section address addresses
section route routes
section rule ip rule
section neighbour ip neigh show nud permanent
section setting settings
section nft nft list ruleset
section listener sh -c "ss -H -l -n -t -u | awk '{ print \$1, \$5 }'"
section netns ip netns list
section namespace namespaces
section mount mounts
section loop losetup --list --noheadings --output NAME,BACK-FILE
section cgroup cgroups
section process processes
if [ -n "$folder" ]; then
    section subvolume subvolumes
    section quota quotas
    section file files
fi
exit 0
