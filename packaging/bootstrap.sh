#!/usr/bin/env bash
# Makes a fresh Debian 12 or 13 ready and runs one of the justfile's recipes:
#
#   sudo packaging/bootstrap.sh demo [--once]   the main job, from nothing to a student's room
#   sudo packaging/bootstrap.sh test            every test
#   sudo packaging/bootstrap.sh bench [NAME]    figures, beside those of other programs
#
# It installs what is missing and changes nothing that is there.
set -euo pipefail

PACKAGES=(
    # to build
    build-essential ca-certificates cmake pkg-config
    # what a house uses
    btrfs-progs mmdebstrap nftables zstd
    # real clients and tools, for the demo and the tests
    bind9-dnsutils curl iproute2 isc-dhcp-client jq openssh-client openssl procps udhcpc util-linux
)
BENCH_PACKAGES=(lxc python3)

: "${HOME:=/root}" # some machines of continuous integration have none
export HOME
cd "$(dirname "$(readlink -f "$0")")/.."
TOOLS=$PWD/target/tools

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
die() { printf 'bootstrap: %s\n' "$*" >&2; exit 1; }

main() {
    local recipe=${1:-}
    case $recipe in
        demo | test) ;;
        bench) PACKAGES+=("${BENCH_PACKAGES[@]}") ;;
        *) die "say what to do: demo, test or bench" ;;
    esac
    [ "$(id -u)" = 0 ] || die "rooms need root: run it again with sudo"
    command -v apt-get > /dev/null || die "this script installs Debian packages, and there is no apt-get here"
    install_packages "${PACKAGES[@]}"
    ensure_rust
    ensure_just
    [ "$recipe" != test ] || ensure_deny
    exec just "$@"
}

installed() {
    [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2> /dev/null)" = installed ]
}

install_packages() {
    local package missing=()
    for package in "$@"; do
        installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    say "Installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    update_once
    apt-get install --quiet --yes --no-install-recommends "${missing[@]}" \
        || die "these Debian packages could not be installed: ${missing[*]}"
}

update_once() {
    [ -z "${UPDATED:-}" ] || return 0
    UPDATED=yes
    apt-get update --quiet || die "apt-get update failed: see its words above"
}

# The version of package $1 that Debian offers here, or nothing.
offered() {
    update_once >&2
    apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }'
}

at_least() { # HAVE WANT
    dpkg --compare-versions "$1" ge "$2"
}

# Looks for cargo where rustup puts it, for root and for whoever called sudo, which hides both.
reach_rust() {
    local home
    PATH=$PATH:$HOME/.cargo/bin
    if [ -n "${SUDO_USER:-}" ] && [ ! -e "$HOME/.rustup" ]; then
        home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
        if [ -d "$home/.rustup" ]; then
            export RUSTUP_HOME=$home/.rustup
            PATH=$PATH:$home/.cargo/bin
        fi
    fi
    export PATH
}

ensure_rust() {
    local wanted have
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    reach_rust
    have=$(rustc --version 2> /dev/null | awk '{ print $2 }') || true
    if [ -n "$have" ] && at_least "$have" "$wanted" && command -v cargo > /dev/null; then
        return
    fi
    if have=$(offered rustc) && [ -n "$have" ] && at_least "$have" "$wanted"; then
        install_packages cargo rustc rust-clippy rustfmt
    elif [ -n "$(offered rustup)" ]; then
        install_packages rustup
        say "Installing Rust with rustup"
        rustup toolchain install stable --profile minimal --component clippy --component rustfmt \
            || die "rustup could not install Rust; install Rust $wanted or newer and run this again"
    else
        die "Rust $wanted or newer is needed, and Debian has none here: install it with rustup (https://rustup.rs), then run this again"
    fi
}

ensure_just() {
    export PATH=$PATH:$TOOLS/bin
    if command -v just > /dev/null; then
        return
    fi
    if [ -n "$(offered just)" ]; then
        install_packages just
        return
    fi
    say "Installing just for this tree only (target/tools)"
    install_packages python3 python3-venv
    /usr/bin/python3 -m venv "$TOOLS"
    "$TOOLS/bin/pip" install --quiet --disable-pip-version-check rust-just \
        || die "just could not be installed with pip; install it (https://just.systems) and run this again"
}

# Debian has no cargo-deny; it takes four minutes to build, once for each tree.
ensure_deny() {
    if command -v cargo-deny > /dev/null; then
        return
    fi
    say "Building cargo-deny for this tree only (target/tools)"
    CARGO_TARGET_DIR=$TOOLS/build cargo install --quiet --locked --debug --root "$TOOLS" cargo-deny \
        || say "cargo-deny could not be built: dependencies will NOT be checked"
    rm -rf "$TOOLS/build"
}

main "$@"
