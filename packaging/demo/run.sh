#!/usr/bin/env bash
# The main job, from nothing to a student's room, shown and checked:
#
#   run.sh [--once]     --once: end by itself, with status 0 when every line held
#
# The house lives in a throw-away folder; its client, in a network namespace that stands for the
# Internet. Whatever happens, everything is taken down at the end, and the host compared with what
# it was before. One file stays: the template in /var/cache/piaule/templates, built only once.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/../.."

# `PIAULE_BIN` names a binary built elsewhere.
BINARY=${PIAULE_BIN:-$PWD/target/release/piaule}
CACHE=/var/cache/piaule/templates
INTERNET=piaule-internet # the client's network namespace
UPLINK=pl-demo0
CGROUP=piaule-demo
# An address of the documentation (RFC 5737), which no network uses.
BOX=198.51.100.1
CLIENT=198.51.100.2
ZONE=piaule.test
ROOM=wiki
HOST=$ROOM.$ZONE
LOGIN=ada

ONCE=
HOUSE= # the throw-away folder
CORE=  # its daemon's pid
BEFORE=

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
die() { printf '\ndemo: %s\n' "$*" >&2; exit 1; }
piaule() { "$BINARY" --socket "$HOUSE/run/piaule.sock" "$@"; }

source packaging/demo/prove.sh

main() {
    parse "$@"
    preconditions
    HOUSE=$(mktemp -d /tmp/piaule-demo.XXXXXX)
    chmod 0755 "$HOUSE"
    BEFORE=$(mktemp /tmp/piaule-before.XXXXXX)
    picture > "$BEFORE"
    trap finish EXIT
    # Called directly: bash 5.2 now and then forgets the EXIT trap when a signal meets `set -e`.
    trap 'finish 130' INT TERM HUP

    say "The Internet, as a network namespace"
    make_internet
    say "The house"
    start_house
    say "The template light"
    provide_template
    say "An account and a room"
    make_account
    picture "$CORE" > "$HOUSE/empty"
    make_room
    say "Seen from the Internet"
    prove_names
    prove_web
    prove_ssh
    say "Archived, then destroyed"
    prove_destruction
    if [ -z "$ONCE" ]; then
        stay
    fi
}

parse() {
    while [ $# -gt 0 ]; do
        case $1 in
            --once) ONCE=yes ;;
            *) die "the only option is --once" ;;
        esac
        shift
    done
}

preconditions() {
    [ "$(id -u)" = 0 ] || die "rooms need root: run it again with sudo"
    local tool
    for tool in btrfs curl dig ip jq losetup nft ss ssh sysctl; do
        command -v "$tool" > /dev/null || die "$tool is missing: packaging/bootstrap.sh installs it"
    done
    [ -x "$BINARY" ] || die "$BINARY is missing: run \`just release\`"
    if ip netns list | grep -qw "$INTERNET"; then
        die "another demo runs, or was killed: end it, or remove the namespace with \`ip netns del $INTERNET\`"
    fi
    if ip link show pl-gw > /dev/null 2>&1; then
        die "a house runs on this machine already (there is an interface pl-gw), and the demo would be a second one"
    fi
    if [ -n "$(find /sys/fs/cgroup -maxdepth 2 -name "$CGROUP" -print -quit)" ]; then
        die "there is a cgroup $CGROUP, perhaps of a demo that was killed, whose rooms may run: see below /sys/fs/cgroup"
    fi
    if [ -n "$(ip -4 route show root "$BOX/24")" ]; then
        die "this machine has a network of its own at $BOX, which the demo takes for its box"
    fi
}

make_internet() {
    ip netns add "$INTERNET"
    ip link add "$UPLINK" type veth peer name eth0 netns "$INTERNET"
    ip link set "$UPLINK" addrgenmode none
    ip address add "$BOX/30" dev "$UPLINK"
    ip link set "$UPLINK" up
    internet ip address add "$CLIENT/30" dev eth0
    internet ip link set lo up
    internet ip link set eth0 up
    echo "  $BOX is the box; $CLIENT, in the namespace $INTERNET, is everybody else"
}

start_house() {
    mkdir "$HOUSE/state" "$HOUSE/run" "$HOUSE/pool"
    cat > "$HOUSE/piaule.toml" << TOML
zone = "$ZONE"
public_address = "$BOX"
uplink = "$UPLINK"
network = "192.168.200.0/22"
public_ports = "20000-29999"
state = "$HOUSE/state"
run = "$HOUSE/run"
pool = "$HOUSE/pool"
pool_size = "20G"
recipes = "$PWD/profiles/templates"
cgroup = "$CGROUP"
front_uid = 64900
TOML
    # A session of its own, so that Ctrl-C reaches this script alone.
    setsid "$BINARY" core --config "$HOUSE/piaule.toml" > "$HOUSE/core.log" 2>&1 < /dev/null &
    CORE=$!
    if ! until_true 30 answers_or_ended || ended; then
        tail -n 20 "$HOUSE/core.log" >&2
        die "the daemon did not start; its last words are above"
    fi
    piaule status
}

ended() { ! kill -0 "$CORE" 2> /dev/null; }
answers_or_ended() { piaule status > /dev/null 2>&1 || ended; }

# Builds the template, or takes it from the cache when its recipe and sources have not changed.
provide_template() {
    local key file
    key=$(find profiles/templates/light /etc/apt/sources.list* -type f -print0 | LC_ALL=C sort --zero-terminated \
        | xargs --null sha256sum | sha256sum | cut -c1-16)
    file=$CACHE/light-$key.tar.zst
    if [ -e "$file" ]; then
        piaule template import light "$file"
        return
    fi
    piaule template build light
    mkdir -p "$CACHE"
    rm -f "$file.partial"
    piaule template export light "$file.partial"
    mv "$file.partial" "$file"
    echo "  kept in $file"
}

make_account() {
    head -c 12 /dev/urandom | base64 > "$HOUSE/password"
    piaule account create "$LOGIN" "$LOGIN@school.example" --password-stdin < "$HOUSE/password"
    ssh-keygen -q -t ed25519 -N '' -C "$LOGIN@laptop" -f "$HOUSE/key"
}

make_room() {
    piaule create "$ROOM" --template light --owner "$LOGIN" --key "$HOUSE/key.pub"
}

stay() {
    say "Another room to look around in, until Ctrl-C"
    make_room
    cat << TEXT

  panel      https://panel.$ZONE/     login $LOGIN, password $(cat "$HOUSE/password")
  room       https://$HOST/
  names      add to /etc/hosts while it runs:  $BOX panel.$ZONE $HOST
  authority  $HOUSE/state/ca.pem
  key        ssh -i $HOUSE/key -p $(ssh_port) student@$BOX
  piaule     $BINARY --socket $HOUSE/run/piaule.sock help
TEXT
    wait "$CORE" || true
    tail -n 20 "$HOUSE/core.log" >&2
    die "the daemon ended by itself; its last words are above"
}

# Takes everything down, in the order it was made from the end, and compares.
finish() { # [STATUS]
    local status=${1:-$?}
    trap '' INT TERM HUP
    trap - EXIT
    set +e
    say "Taken down"
    if [ -n "$CORE" ]; then
        kill -TERM "$CORE" 2> /dev/null
        until_true 20 ended || kill -KILL "$CORE" 2> /dev/null
        "$BINARY" dismantle --config "$HOUSE/piaule.toml" --yes > "$HOUSE/dismantle.log" 2>&1 \
            || { cat "$HOUSE/dismantle.log" >&2; FAILURES=$((FAILURES + 1)); }
    fi
    ip link del "$UPLINK" 2> /dev/null
    ip netns del "$INTERNET" 2> /dev/null
    if [ "$status" != 0 ] && [ "$status" != 130 ] && [ -s "$HOUSE/core.log" ]; then
        tail -n 40 "$HOUSE/core.log" >&2
    fi
    # Never into a pool that is still mounted.
    if grep -q " $HOUSE/" /proc/self/mountinfo; then
        echo "demo: something is still mounted in $HOUSE, which is kept" >&2
    else
        rm -rf --one-file-system "$HOUSE"
    fi
    check "the host is as it was before the demo, object by object" unchanged_since "$BEFORE"
    rm -f "$BEFORE"
    if [ "$status" = 130 ] && [ -z "$ONCE" ]; then
        status=0 # Ctrl-C is how it ends
    fi
    if [ "$FAILURES" != 0 ]; then
        say "$FAILURES lines did not hold"
        status=1
    elif [ "$status" != 0 ] && [ "$status" != 130 ]; then
        status=1
    elif [ "$status" = 0 ]; then
        say "Every line held"
    fi
    exit "$status"
}

main "$@"
