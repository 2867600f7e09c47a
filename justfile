# What can be done with this tree. `packaging/bootstrap.sh` makes a fresh machine ready for it.

set shell := ["bash", "-euo", "pipefail", "-c"]

# this list
default:
    @just --list --unsorted

# a quick binary, for development
build:
    cargo build --locked

# the binary that is packaged
release:
    cargo build --release --locked

# format, lints and dependencies
lint:
    cargo fmt --check
    cargo clippy --locked --all-targets -- -D warnings
    if command -v cargo-deny > /dev/null; then cargo deny --config packaging/deny.toml check bans licenses sources; fi

# what must hold before each commit: lints, unit tests, the walls between rooms
check: lint
    cargo test --locked --lib --bins
    cargo test --locked --test rooms

# every check and every test (as root); the last line counts them
test:
    packaging/test.sh

# the tests on the real kernel, in network namespaces of their own (as root)
test-netns *filter:
    cargo test --locked --test netns -- {{ filter }}

# the panel in Chromium, through a real house (as root); leaves screenshots in target/browser
test-browser *options: build
    tests/browser/run.sh {{ options }}

# the main job from nothing to a student's room (as root); --once ends by itself
demo *options:
    [ -n "${PIAULE_BIN:-}" ] || just release
    packaging/demo/run.sh {{ options }}

# figures as a table, beside those of other programs (as root)
bench name="create": release
    tests/bench/{{ name }}.sh
