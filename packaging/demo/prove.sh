# What the demo proves, from a client in the namespace $INTERNET. Sourced by run.sh, which says
# what the house, the room and the box are called.

FAILURES=0

internet() { ip netns exec "$INTERNET" "$@"; }
now_ms() { date +%s%3N; }

# Runs a check and prints how it went. $1 says what must hold; the rest is the command.
check() {
    local title=$1 start output
    shift
    start=$(now_ms)
    if output=$("$@" 2>&1); then
        printf '  \033[32m✓\033[0m %-64s %6d ms\n' "$title" $(($(now_ms) - start))
    else
        printf '  \033[31m✗\033[0m %s\n' "$title"
        sed 's/^/      /' <<< "$output"
        FAILURES=$((FAILURES + 1))
    fi
}

# Repeats a command until it succeeds, for SECONDS at most.
until_true() { # SECONDS COMMAND...
    local deadline=$(($(now_ms) + $1 * 1000))
    shift
    until "$@"; do
        [ "$(now_ms)" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# Fails with both values when they differ.
same() { # FOUND WANTED
    [ "$1" = "$2" ] || { printf 'found: %s\nwanted: %s\n' "$1" "$2"; return 1; }
}

prove_names() {
    check "dig: $HOST is $BOX" dig_says "$HOST" A "$BOX"
    check "dig: the room's address is $HOST" dig_says -x "$(room_field address)" "$HOST."
    check "dig: a name nobody has does not exist" dig_says "nobody.$ZONE" A ''
}

room_field() {
    piaule --json show "$ROOM" | jq -r "first(.. | objects | select(has(\"$1\")) | .$1)"
}

dig_says() { # WHAT... WANTED
    local wanted=${!#}
    same "$(internet dig "@$BOX" +short +time=2 +tries=3 "${@:1:$#-1}")" "$wanted"
}

prove_web() {
    check "https://$HOST answers 200 from apache; the chain is verified" web_page
    check "http://$HOST is sent to HTTPS (308)" web_redirect
}

visit() { # URL CURL-OPTIONS...
    internet curl --silent --show-error --max-time 10 --cacert "$HOUSE/state/ca.pem" \
        --resolve "$HOST:443:$BOX" --resolve "$HOST:80:$BOX" "$@"
}

web_page() {
    same "$(visit "https://$HOST/" --output "$HOUSE/page" --write-out '%{http_code} %{ssl_verify_result}')" '200 0' \
        && grep --quiet 'Your machine is ready' "$HOUSE/page"
}

web_redirect() {
    same "$(visit "http://$HOST/" --output /dev/null --write-out '%{http_code} %{redirect_url}')" "308 https://$HOST/"
}

ssh_port() {
    piaule --json show "$ROOM" | jq 'first(.. | objects | select(.room? == 22) | .public)'
}

prove_ssh() {
    local port
    port=$(ssh_port)
    check "ssh -p $port $HOST: id" ssh_says "$port" 'uid=1000(student)' id
    check "ssh -p $port $HOST: sudo -n id" ssh_says "$port" 'uid=0(root)' sudo -n id
    check "ssh -p $port $HOST: systemctl is-system-running" ssh_says "$port" running systemctl is-system-running --wait
    check "ssh -p $port $HOST: no unit failed" ssh_says "$port" '' systemctl --failed --no-legend
}

ssh_says() { # PORT FIRST-WORD COMMAND...
    local port=$1 wanted=$2 answer
    shift 2
    answer=$(internet ssh -p "$port" -i "$HOUSE/key" -o BatchMode=yes -o ConnectTimeout=10 \
        -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile="$HOUSE/known" \
        -o LogLevel=ERROR "student@$BOX" "$@") || { echo "$answer"; return 1; }
    same "${answer%% *}" "$wanted"
}

prove_destruction() {
    piaule archive "$ROOM"
    piaule destroy "$ROOM" --yes
    check "the host is as it was before the room, object by object" unchanged_since "$HOUSE/empty" "$CORE"
}

picture() { INTERNET=$INTERNET BINARY=$BINARY packaging/demo/picture.sh "$HOUSE" "$CGROUP" "$@"; }

# Compares the host with a picture of before; what ends with a delay has ten seconds for it.
unchanged_since() { # PICTURE [CORE]
    until_true 10 no_difference "$@" > /dev/null || no_difference "$@"
}

no_difference() { # PICTURE [CORE]
    picture "${@:2}" | diff --unchanged-line-format= \
        --old-line-format='gone: %L' --new-line-format='left: %L' "$1" -
}
