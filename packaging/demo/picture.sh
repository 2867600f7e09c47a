#!/usr/bin/env bash
# Prints what a house makes on a host and must take away again, one object a line: two pictures
# of the same host differ by exactly what came or went in between.
#
#   INTERNET=NAMESPACE BINARY=FILE picture.sh FOLDER CGROUP [CORE]
#
# FOLDER: where the house keeps its state and mounts its pool; CGROUP: what its rooms are below;
# CORE: its daemon's pid, for what it holds open; NAMESPACE: the client's; FILE: the program.
#
# Everything in this network namespace is shown. Mounts, loop devices and processes are those that
# bear the house's mark, since a desktop or another house makes its own at any time. What changes
# by itself is left out: counters, ages, neighbours that were learnt.
set -uo pipefail

folder=$1 cgroup=$2 core=${3:-}

section() { # NAME COMMAND...
    local name=$1
    shift
    "$@" 2> /dev/null | sed "s|^|$name: |" | LC_ALL=C sort
}

netns() { ip netns list | grep --word-regexp "$INTERNET"; }
addresses() { ip -oneline address | sed 's/ tentative//; s/ *\\ *valid_lft.*//'; }
routes() { { ip -4 route show table all; ip -6 route show table all; } | sed 's/ expires [0-9]*sec//'; }
settings() { sysctl --all --pattern '^net\.ipv[46]\.(ip_forward|conf\.(all|default)\.)'; }
listeners() { ss --no-header --listening --numeric --tcp --udp --processes | awk '/"piaule"/ { print $1, $5 }'; }

# By mount point or source, in every mount namespace: a room's own go with its last process.
mounts() { grep --no-filename --fixed-strings "$folder" /proc/[0-9]*/mountinfo | awk '{ $1 = $2 = $3 = ""; print }' | sort --unique; }
loops() { losetup --list --noheadings --output NAME,BACK-FILE | grep --fixed-strings "$folder"; }
cgroups() { find /sys/fs/cgroup -type d -path "*/$cgroup*"; }

# In the house's cgroup, or the program itself in this network namespace.
processes() {
    local pid
    for pid in $({ marked ":/$cgroup" cgroup; marked '^piaule' comm | neighbours; } | sort --unique); do
        echo "$pid $(stat --format=%u "/proc/$pid") $(cat "/proc/$pid/comm")"
    done
}
marked() { grep --files-with-matches "$1" /proc/[0-9]*/"$2" | cut -d/ -f3; }
neighbours() {
    local pid
    while read -r pid; do
        [ "/proc/$pid/ns/net" -ef /proc/self/ns/net ] && [ "/proc/$pid/exe" -ef "$BINARY" ] && echo "$pid"
    done
}

# Namespaces, terminals, processes and folders of rooms that core would keep from ending.
descriptors() { find "/proc/$core/fd" -mindepth 1 -printf '%l\n' | sed 's/:\[[0-9]*\]$//' | grep --invert-match '^socket'; }

files() { find "$folder/state" "$folder/run"; find "$folder/pool" -maxdepth 3; }
# The sync wakes the kernel's cleaner, which else takes destroyed subvolumes apart half a minute later.
quotas() { btrfs filesystem sync "$folder/pool" && btrfs qgroup show "$folder/pool" | awk '$1 ~ "/" { print $1 }'; }
subvolumes() { btrfs subvolume list "$folder/pool" | awk '{ print $2, $NF }'; }

section link ip -oneline link
section address addresses
section route routes
section rule ip rule
section neighbour ip neigh show nud permanent
section setting settings
section nft nft list ruleset
section listener listeners
section netns netns
section mount mounts
section loop loops
section cgroup cgroups
section process processes
if [ -n "$core" ]; then
    section descriptor descriptors
    section quota quotas
    section subvolume subvolumes
    section file files
fi
exit 0
