# Sourced by setup.sh and start.sh: where things are, and whether they are complete. Changes nothing on disk.
# Needs $here, the folder of this file. Sets kafka_version, kafka_cache, kafka_libs, kafka_stamp, kafka_classes.

# The oldest Java that the broker's classes load on.
java_floor=17

kafka_version=$(sed -n 's:.*<kafka\.version>\(.*\)</kafka\.version>.*:\1:p' "$here/pom.xml")
if [ -z "$kafka_version" ]; then
    echo "kafka: no <kafka.version> in $here/pom.xml" >&2
    exit 1
fi
kafka_cache="${FORESHIFT_CACHE:-$HOME/.cache/foreshift}/kafka-$kafka_version"
if [[ $kafka_cache != /* ]]; then
    echo "kafka: FORESHIFT_CACHE must be an absolute path, not '$FORESHIFT_CACHE'" >&2
    exit 1
fi
kafka_libs="$kafka_cache/libs"
kafka_stamp="$kafka_cache/stamp"
# The broker's classes in the form the JVM maps into memory, which halves the start. Empty where it could not be made.
kafka_classes="$kafka_cache/classes.jsa"

# Prints a Java launcher of at least java_floor: the one of JAVA_HOME if set, else the one on PATH. Fails without one.
find_java() {
    local launcher major
    for launcher in ${JAVA_HOME:+"$JAVA_HOME/bin/java"} java; do
        launcher=$(command -v "$launcher") || continue
        major=$("$launcher" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
        if [ "${major:-0}" -ge "$java_floor" ]; then
            echo "$launcher"
            return 0
        fi
    done
    return 1
}

# What a complete cache looks like: the pom.xml it was made from, and the size of every jar.
describe_cache() {
    cksum <"$here/pom.xml"
    (cd "$1" && wc -c -- *.jar)
}

# Whether the cache was finished, from this very pom.xml, and has lost nothing since.
cache_is_complete() {
    [ -f "$kafka_stamp" ] && [ "$(describe_cache "$kafka_libs" 2>/dev/null)" = "$(cat "$kafka_stamp")" ]
}
