#!/usr/bin/env bash
# Every check and every test, one after the other whatever the others say. Ends with what could not
# be checked here, what failed, and one line that counts: a check of the tree counts as one test.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

PASSED=0
FAILED=0
FAILURES=()
UNCHECKED=()

main() {
    check "format" cargo fmt --check
    check "lints" cargo clippy --locked --all-targets -- -D warnings
    dependencies
    tests
    report
}

check() { # NAME COMMAND...
    local name=$1
    shift
    printf '\n\033[1m%s\033[0m: %s\n' "$name" "$*"
    if "$@"; then
        PASSED=$((PASSED + 1))
    else
        failed "$name: $*"
    fi
}

failed() {
    FAILED=$((FAILED + 1))
    FAILURES+=("$1")
}

dependencies() {
    if ! command -v cargo-deny > /dev/null; then
        UNCHECKED+=("licences, sources and advisories of dependencies: cargo-deny is not installed")
        return
    fi
    check "dependencies" cargo deny --config packaging/deny.toml check bans licenses sources
    if cargo deny --config packaging/deny.toml fetch db; then
        check "advisories" cargo deny --config packaging/deny.toml check advisories
    else
        UNCHECKED+=("advisories against dependencies: their database cannot be fetched from here")
    fi
}

tests() {
    local log status counts passed failed ignored
    log=$(mktemp)
    printf '\n\033[1mtests\033[0m\n'
    cargo test --locked --no-fail-fast 2>&1 < /dev/null | tee "$log"
    status=${PIPESTATUS[0]}
    counts=$(awk '/^test result:/ { passed += $4; failed += $6; ignored += $8 }
                  END { print passed + 0, failed + 0, ignored + 0 }' "$log")
    read -r passed failed ignored <<< "$counts"
    PASSED=$((PASSED + passed))
    FAILED=$((FAILED + failed))
    while read -r name; do
        FAILURES+=("$name")
    done < <(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log")
    # What does not compile, or ends without a word, has no count of its own.
    if [ "$status" != 0 ] && [ "$failed" = 0 ]; then
        failed "cargo test ended with status $status; see above"
    elif [ "$passed" = 0 ]; then
        failed "no test ran"
    fi
    [ "$ignored" = 0 ] || UNCHECKED+=("$ignored tests that are marked to be ignored")
    rm -f "$log"
}

report() {
    echo
    [ ${#UNCHECKED[@]} = 0 ] || printf '\033[1;33mNOT CHECKED\033[0m  %s\n' "${UNCHECKED[@]}"
    [ ${#FAILURES[@]} = 0 ] || printf '\033[1;31mFAILED\033[0m  %s\n' "${FAILURES[@]}"
    echo "$PASSED passed, $FAILED failed"
    [ "$FAILED" = 0 ]
}

main
