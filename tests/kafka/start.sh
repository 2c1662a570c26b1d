#!/usr/bin/env bash
# Runs one real Apache Kafka broker, its own controller, on loopback in the foreground.
#
#   start.sh DIR PORT CONTROLLER_PORT [KEY=VALUE ...]
#
# DIR keeps everything: a second start on the same DIR serves what the first one stored. The process becomes the JVM,
# so a signal to its pid reaches the broker. KEY=VALUE overrides a broker setting. See README.md beside this file.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/env.sh"

fail() {
    echo "kafka: $*" >&2
    exit 1
}

usage="usage: start.sh DIR PORT CONTROLLER_PORT [KEY=VALUE ...]"
[ $# -ge 3 ] || fail "$usage"
for port in "$2" "$3"; do
    [[ $port =~ ^[1-9][0-9]{0,4}$ ]] && [ "$port" -le 65535 ] || fail "not a port: '$port'. $usage"
done
[ "$2" -ne "$3" ] || fail "PORT and CONTROLLER_PORT must differ"
overrides=()
for setting in "${@:4}"; do
    [[ $setting == ?*=* ]] || fail "not KEY=VALUE: '$setting'. $usage"
    overrides+=(--override "$setting")
done

cache_is_complete || fail "the jars are missing or incomplete: run $here/setup.sh"
java=$(find_java) || fail "no Java $java_floor or newer: run $here/setup.sh"

mkdir -p "$1"
dir=$(cd "$1" && pwd)
log="$dir/server.log"
# The JVM unpacks native libraries into its temporary folder, and a killed one leaves them: keep them in DIR, start clean.
rm -rf "$dir/jvm-tmp"
mkdir "$dir/jvm-tmp"

# Settings that differ from Kafka's own have a reason each.
write_properties() {
    cat <<PROPERTIES
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3
advertised.listeners=PLAINTEXT://127.0.0.1:$2
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
# A static voter, so that a restart of the same DIR may use other ports.
controller.quorum.voters=1@127.0.0.1:$3
log.dirs=$1

# A misspelt topic has to fail, not to appear.
auto.create.topics.enable=false

# One broker: nothing can have a second replica, and many partitions of Kafka's own topics only cost time.
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0

# After a kill the controller refuses the same broker until the session of the killed one has run out: 9 s by default.
# Should a stall of the machine outlast it, the partitions have no leader for a moment, and clients retry.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500

# Recorded incidents carry the times of long ago: by the defaults their records would be deleted as older than a week,
# and every week of them would open another segment.
log.retention.ms=-1
log.roll.ms=315360000000

# Small: the default 128 MiB of the log cleaner alone is a third of the heap.
log.cleaner.dedupe.buffer.size=8388608
num.network.threads=2
num.io.threads=4
background.threads=2
PROPERTIES
}

# The serial collector, the first compiler tier alone and the class archive that setup.sh made start fastest.
jvm=(
    -Xms64m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -XX:-UsePerfData
    -XX:+ExitOnOutOfMemoryError -Djava.awt.headless=true
    "-Djava.io.tmpdir=$dir/jvm-tmp"
    "-Dlog4j2.configurationFile=$here/log4j2.properties"
)
[ ! -s "$kafka_classes" ] || jvm+=("-XX:SharedArchiveFile=$kafka_classes")
jvm+=(-cp "$kafka_libs/*")

# Sixteen random bytes in the alphabet of Kafka's ids. The first letter is fixed because an id must not look like a flag.
cluster_id() {
    echo "F$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 2-21)g"
}

# Formats under another name, then renames: a start that was killed half-way leaves nothing that looks formatted.
format_storage() {
    rm -rf "$dir/log.partial"
    write_properties "$dir/log.partial" "$@" >"$dir/format.properties"
    "$java" "${jvm[@]}" kafka.tools.StorageTool format \
        --cluster-id "$(cluster_id)" --config "$dir/format.properties"
    mv "$dir/log.partial" "$dir/log"
    rm -f "$dir/format.properties"
}

echo "--- start of Apache Kafka $kafka_version, PORT $2, CONTROLLER_PORT $3" >>"$log"
if [ ! -d "$dir/log" ]; then
    format_storage "$2" "$3" >>"$log" 2>&1 || fail "could not format $dir/log; see $log"
fi
write_properties "$dir/log" "$2" "$3" >"$dir/server.properties"
# Extra flags are split on blanks, and come last, so that they win.
read -r -a more_jvm <<<"${FORESHIFT_KAFKA_JVM:-}"
exec "$java" "${jvm[@]}" ${more_jvm[@]+"${more_jvm[@]}"} \
    kafka.Kafka "$dir/server.properties" ${overrides[@]+"${overrides[@]}"} >>"$log" 2>&1
