#!/usr/bin/env bash
# Makes a real Apache Kafka ready for the integration tests: Java, and the broker's jars and class archive in a cache outside the
# repository. Safe to call at any time, from several processes at once, and again after having been killed.
# See README.md beside this file.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/env.sh"

# How long to wait for another setup.sh that is at work on the same cache.
lock_wait_s=1200
# A registry that drops a connection is common; one that drops three in a row is down.
resolve_attempts=3
# The broker that archives its classes ends by itself after this time, whatever becomes of this script.
archive_limit_s=120

say() { echo "kafka: $*"; }
fail() {
    echo "kafka: $*" >&2
    exit 1
}

if cache_is_complete && [ -e "$kafka_classes" ] && find_java >/dev/null; then
    say "Apache Kafka $kafka_version is ready in $kafka_libs"
    exit 0
fi

# Installs packages where that is ours to do, and otherwise says what to install.
install_packages() {
    local what=$1
    shift
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        fail "$what is missing. Install it and run this again; on Debian or Ubuntu: sudo apt-get install $*"
    fi
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 -y -q --no-install-recommends install "$@" \
        >"$kafka_cache/apt.log" 2>&1
}

# Newer distributions have dropped Java 17 for a later one, which does as well.
install_java() {
    local package
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        apt-get -q update >"$kafka_cache/apt.log" 2>&1 || true
        for package in openjdk-17-jre-headless openjdk-21-jre-headless default-jre-headless; do
            if apt-cache show "$package" >/dev/null 2>&1; then
                install_packages "Java $java_floor or newer" "$package" && return 0
            fi
        done
        fail "could not install Java $java_floor or newer; see $kafka_cache/apt.log"
    fi
    install_packages "Java $java_floor or newer" openjdk-17-jre-headless
}

install_maven() {
    if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
        apt-get -q update >"$kafka_cache/apt.log" 2>&1 || true
    fi
    install_packages "Maven" maven || fail "could not install Maven; see $kafka_cache/apt.log"
}

# Jars appear under their final name only when all of them are there; the stamp comes last.
resolve_jars() {
    local partial="$kafka_cache/libs.partial" log="$kafka_cache/maven.log" attempt
    rm -rf "$partial" "$kafka_stamp" "$kafka_classes"
    for ((attempt = 1; attempt <= resolve_attempts; attempt++)); do
        if mvn --batch-mode --strict-checksums --file "$here/pom.xml" \
            dependency:copy-dependencies -DoutputDirectory="$partial" </dev/null >"$log" 2>&1; then
            rm -rf "$kafka_libs"
            mv "$partial" "$kafka_libs"
            describe_cache "$kafka_libs" >"$kafka_stamp.partial"
            mv "$kafka_stamp.partial" "$kafka_stamp"
            return 0
        fi
        say "Maven failed (attempt $attempt of $resolve_attempts)" >&2
    done
    tail -n 20 "$log" >&2
    fail "could not resolve the jars; Maven's log is $log"
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Two neighbouring ports below the range that systems hand out to clients.
free_port_pair() {
    local port
    while :; do
        port=$((10000 + RANDOM % 20000))
        if port_is_free "$port" && port_is_free $((port + 1)); then
            echo "$port"
            return
        fi
    done
}

# Starts a broker once, and has the JVM write the classes it loaded when it ends. Only speed depends on it, so a failure
# is told, and remembered by an empty archive rather than tried again each time.
archive_classes() {
    local dir="$kafka_cache/first-start" port broker
    rm -rf "$dir"
    mkdir "$dir"
    port=$(free_port_pair)
    # A relative name, because the flags are split on blanks and the path may hold some.
    (cd "$dir" && FORESHIFT_KAFKA_JVM=-XX:ArchiveClassesAtExit=classes.jsa exec timeout "$archive_limit_s" \
        "$here/start.sh" "$dir" "$port" $((port + 1)) 9>&-) &
    broker=$!
    while kill -0 "$broker" 2>/dev/null && ! grep -qs 'Kafka Server started' "$dir/server.log"; do
        sleep 0.2
    done
    kill "$broker" 2>/dev/null || true
    wait "$broker" || true
    if [ -s "$dir/classes.jsa" ]; then
        mv "$dir/classes.jsa" "$kafka_classes"
        rm -rf "$dir"
    else
        : >"$kafka_classes"
        say "could not archive the broker's classes, so it will start slower; see $dir/server.log" >&2
    fi
}

command -v flock >/dev/null || fail "flock is missing. Install it and run this again (it is part of util-linux)"
mkdir -p "$kafka_cache"
# Maven and apt-get inherit the lock: should this script be killed, it stays held until they too have ended.
exec 9>"$kafka_cache/lock"
if ! flock -n 9; then
    say "waiting for another setup of $kafka_cache"
    flock -w "$lock_wait_s" 9 || fail "another setup of $kafka_cache has not ended in $lock_wait_s s"
fi

find_java >/dev/null || install_java
java=$(find_java) || fail "no Java $java_floor or newer found: set JAVA_HOME, or put one first on PATH"

if ! cache_is_complete; then
    command -v mvn >/dev/null || install_maven
    say "resolving the jars of Apache Kafka $kafka_version into $kafka_libs"
    resolve_jars
fi
if [ ! -e "$kafka_classes" ]; then
    say "starting the broker once to archive its classes"
    archive_classes
fi
say "Apache Kafka $kafka_version is ready in $kafka_libs (Java: $java)"
