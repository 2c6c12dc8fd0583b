#!/bin/sh
# The application of README.md as a CGI script, for fcgiwrap.
header() { printf 'Content-Type: %s\r\n\r\n' "$1"; }

case "${REQUEST_URI%%\?*}" in
/params)
    header text/plain
    env -0
    ;;
/echo)
    header application/octet-stream
    cat
    ;;
/collect)
    body=$(mktemp)
    cat >"$body"
    header application/octet-stream
    cat "$body"
    rm "$body"
    ;;
/endless)
    header application/octet-stream
    exec cat /dev/zero
    ;;
/drip)
    header text/plain
    i=0
    while echo "piece $i"; do
        i=$((i + 1))
        sleep 0.02
    done
    ;;
/status)
    printf 'Status: %s\r\nContent-Type: text/plain\r\n\r\nstatus %s\n' "$QUERY_STRING" "$QUERY_STRING"
    ;;
/redirect)
    printf 'Location: http://elsewhere.test/?x=1\r\n\r\n'
    ;;
/stderr)
    echo 'a message for the log' >&2
    header text/plain
    echo 'hello from a shell'
    ;;
/exit)
    header text/plain
    echo 'hello from a shell'
    exit 3
    ;;
/headerless)
    echo 'no header at all'
    ;;
/die)
    # Not this script: fcgiwrap makes a whole response of what one had said when it was killed.
    header text/plain
    echo partial
    until [ -e "$QUERY_STRING" ]; do sleep 0.01; done
    kill -9 "$PPID"
    ;;
*)
    header text/plain
    echo 'hello from a shell'
    ;;
esac
