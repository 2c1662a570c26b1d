#!/usr/bin/env bash
# Makes a real HAProxy ready for the integration tests, and socat to talk to its socket: the distribution's packages.
# Safe to call at any time. Prints where HAProxy's binary is.
set -euo pipefail

PATH="$PATH:/usr/sbin"
missing=()
command -v haproxy >/dev/null || missing+=(haproxy)
command -v socat >/dev/null || missing+=(socat)
if [ ${#missing[@]} -gt 0 ]; then
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        echo "haproxy: installing ${missing[*]}" >&2
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
    else
        echo "haproxy: please install: ${missing[*]} (on Debian or Ubuntu: sudo apt-get install ${missing[*]})" >&2
        exit 1
    fi
fi
command -v haproxy
