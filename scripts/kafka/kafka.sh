#!/usr/bin/env bash
# Apache Kafka (KRaft) for tests, without Docker: the jars come from Maven into a
# cache folder, and one or three nodes run on loopback.
#
#   kafka.sh fetch                                    jars into the cache, once
#   kafka.sh start [--nodes 1|3] [--dir DIR] [--port P]   start and return; "stop" ends it
#   kafka.sh run   [--nodes 1|3] [--dir DIR] [--port P]   stay until stdin closes
#   kafka.sh with  [--nodes 1|3] [--dir DIR] [--port P] -- COMMAND...
#                            run COMMAND with TEST_KAFKA_BROKERS and its relatives set
#   kafka.sh stop   --dir DIR         end all nodes of DIR
#   kafka.sh status --dir DIR         one line per node; fails unless all of them run
#   kafka.sh pid   NODE --dir DIR     print the process id of a node
#   kafka.sh kill  NODE --dir DIR     kill -9 a node
#   kafka.sh start-node NODE --dir DIR   start a stopped or killed node again
#
# Promises
#   - start, run and with print "brokers=HOST:PORT,..." once every node answers.
#   - run and with leave no process behind, not even when they are killed with -9:
#     a watchdog holds the other end of a pipe that closes with them.
#   - stop, kill and the watchdog only ever signal a process whose command line
#     names the configuration file in DIR.
#   - Everything listens on 127.0.0.1 only.
#   - Where Java or Maven is not to be had it says so and exits non-zero.
#
# Settings from the environment: JAVA_HOME, XDG_CACHE_HOME, KAFKA_HEAP (default
# 512m), KAFKA_JVM_OPTS (default: those of a short-lived test broker).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly here
readonly self=$here/kafka.sh
readonly start_seconds=60 # a node that does not answer by then has failed
readonly stop_seconds=15  # a node that has not ended by then is killed

nodes=1
dir=
port=0
command=()

die() {
	echo "kafka.sh: $*" >&2
	exit 1
}

usage() {
	sed -n '2,/^set /{s/^# \{0,1\}//p;}' "$self"
}

# ---- jars --------------------------------------------------------------------

kafka_version() {
	sed -n 's:.*<kafka\.version>\(.*\)</kafka\.version>.*:\1:p' "$here/pom.xml"
}

# cache_dir is named after the content of pom.xml too, so that a changed list of
# jars is fetched anew and a running broker keeps those that it was started with.
cache_dir() {
	local sum
	sum=$(cksum <"$here/pom.xml")
	echo "${XDG_CACHE_HOME:-$HOME/.cache}/waybill/kafka-$(kafka_version)-${sum%% *}"
}

# java_bin prints the java program to use, or ends with what is missing.
java_bin() {
	local java=${JAVA_HOME:+$JAVA_HOME/bin/}java major
	command -v "$java" >/dev/null ||
		die "Java is not installed: Apache Kafka $(kafka_version) needs Java 17 or later (Debian: apt-get install openjdk-17-jre-headless)"
	major=$("$java" -version 2>&1 | sed -n '1,/version "/s/.*version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1)
	[[ $major =~ ^[0-9]+$ ]] || die "the version of $java could not be read"
	((major >= 17)) || die "Java $major found, but Apache Kafka $(kafka_version) needs Java 17 or later"
	command -v "$java"
}

# fetch puts the jars into the cache, whole or not at all, and does nothing when
# they are there.
fetch() {
	local cache tmp
	cache=$(cache_dir)
	[[ ! -d $cache ]] || return 0
	command -v mvn >/dev/null ||
		die "Maven is not installed: it fetches the jars of Apache Kafka $(kafka_version) (Debian: apt-get install maven)"
	java_bin >/dev/null
	echo "kafka.sh: fetching Apache Kafka $(kafka_version) into $cache" >&2
	mkdir -p "$(dirname "$cache")"
	tmp=$(mktemp -d "$cache.XXXXXX")
	if ! mvn -q -B -Dstyle.color=never -f "$here/pom.xml" dependency:copy-dependencies \
		-DincludeScope=runtime -DoutputDirectory="$tmp/libs" >&2; then
		rm -rf "$tmp"
		die "Maven could not fetch the jars of Apache Kafka $(kafka_version); its own message stands above"
	fi
	# Another run may have finished first; its folder is as good as ours.
	[[ -d $cache ]] || mv "$tmp" "$cache"
	rm -rf "$tmp" "${cache:?}/${tmp##*/}"
}

# ---- one node ----------------------------------------------------------------

node_dir() { echo "$dir/node-$1"; }
broker_port() { echo $((port + $1 - 1)); }
controller_port() { echo $((port + 10 + $1 - 1)); }

# answers tells whether something listens on a loopback port.
answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# node_pid prints the process id of a running node. A process id that the system
# has given to another program since does not count.
node_pid() {
	local pid
	pid=$(cat "$(node_dir "$1")/pid" 2>/dev/null) || return 1
	[[ $pid =~ ^[0-9]+$ ]] || return 1
	[[ $(ps -ww -o args= -p "$pid" 2>/dev/null) == *"$(node_dir "$1")/server.properties"* ]] || return 1
	echo "$pid"
}

brokers() {
	local n list=()
	for n in $(seq "$nodes"); do list+=("127.0.0.1:$(broker_port "$n")"); done
	(IFS=, && echo "${list[*]}")
}

voters() {
	local n list=()
	for n in $(seq "$nodes"); do list+=("$n@127.0.0.1:$(controller_port "$n")"); done
	(IFS=, && echo "${list[*]}")
}

# configure writes the properties of node $1. The short session and rebalance
# times are for tests that kill a node and wait for the next leader.
configure() {
	local node=$1 in_sync=1
	((nodes < 3)) || in_sync=2
	cat >"$(node_dir "$node")/server.properties" <<-END
		process.roles=broker,controller
		node.id=$node
		controller.quorum.voters=$(voters)
		controller.listener.names=CONTROLLER
		listeners=PLAINTEXT://127.0.0.1:$(broker_port "$node"),CONTROLLER://127.0.0.1:$(controller_port "$node")
		advertised.listeners=PLAINTEXT://127.0.0.1:$(broker_port "$node")
		listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
		inter.broker.listener.name=PLAINTEXT
		log.dirs=$(node_dir "$node")/data

		auto.create.topics.enable=false
		unclean.leader.election.enable=false
		num.partitions=12
		default.replication.factor=$nodes
		min.insync.replicas=$in_sync
		offsets.topic.num.partitions=4
		offsets.topic.replication.factor=$nodes
		transaction.state.log.num.partitions=4
		transaction.state.log.replication.factor=$nodes
		transaction.state.log.min.isr=$in_sync
		share.coordinator.state.topic.replication.factor=$nodes
		share.coordinator.state.topic.min.isr=$in_sync

		group.initial.rebalance.delay.ms=0
		group.min.session.timeout.ms=1000
		broker.heartbeat.interval.ms=500
		broker.session.timeout.ms=3000
		replica.lag.time.max.ms=5000

		num.network.threads=2
		num.io.threads=4
		background.threads=2
		log.cleaner.dedupe.buffer.size=16777216
	END
}

# format prepares the storage of node $1, once.
format() {
	local node=$1
	[[ ! -e $(node_dir "$node")/data/meta.properties ]] || return 0
	"$java" -Xmx256m -XX:TieredStopAtLevel=1 -cp "$classpath" kafka.tools.StorageTool format \
		--cluster-id "$(cat "$dir/cluster-id")" --config "$(node_dir "$node")/server.properties" \
		>"$(node_dir "$node")/format.log" 2>&1 ||
		die "format the storage of node $node: $(tail -n 3 "$(node_dir "$node")/format.log")"
}

# launch starts node $1 in the background and returns once it runs under its own
# name. The node stays in the process group of this script, so that a signal to the
# group of "run" or "with" reaches it too; descriptor 9 is the watchdog's pipe,
# which no node may hold open.
launch() {
	local node=$1 child
	(
		trap '' HUP
		echo "$BASHPID" >"$(node_dir "$node")/pid"
		# shellcheck disable=SC2086 # the options are words
		exec "$java" -Xms128m -Xmx"${KAFKA_HEAP:-512m}" \
			${KAFKA_JVM_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1} \
			-Djava.awt.headless=true -Dlog4j2.configurationFile="$here/log4j2.properties" \
			-cp "$classpath" kafka.Kafka "$(node_dir "$node")/server.properties"
	) </dev/null >"$(node_dir "$node")/log" 2>&1 9>&- &
	child=$!
	disown "$child" # or bash would report its death by kill
	until node_pid "$node" >/dev/null || ! kill -0 "$child" 2>/dev/null; do sleep 0.02; done
}

# await blocks until node $1 has said that it is started, which it does once its
# broker is registered and unfenced, and its port answers.
await() {
	local node=$1 log deadline=$((SECONDS + start_seconds))
	log=$(node_dir "$node")/log
	until grep -qs 'Kafka Server started' "$log" && answers "$(broker_port "$node")"; do
		node_pid "$node" >/dev/null || die "node $node ended while starting: $(tail -n 5 "$log")"
		((SECONDS < deadline)) || die "node $node did not answer within $start_seconds s, see $log"
		sleep 0.1
	done
}

# ---- the cluster -------------------------------------------------------------

# free_port prints a base with all the ports of a cluster unused, below the range
# from which the system hands out ports itself.
free_port() {
	local base n busy
	for _ in $(seq 50); do
		base=$((20000 + RANDOM % 600 * 20))
		busy=
		for n in 0 1 2 10 11 12; do ! answers $((base + n)) || busy=yes; done
		[[ $busy ]] || { echo "$base" && return; }
	done
	die "no free range of ports found on 127.0.0.1"
}

load_cluster() {
	[[ -n $dir ]] || die "--dir is missing"
	[[ -r $dir/cluster ]] || die "$dir holds no cluster of kafka.sh"
	dir=$(cd "$dir" && pwd)
	read -r nodes port <"$dir/cluster"
}

prepare_java() {
	java=$(java_bin)
	classpath="$(cache_dir)/libs/*"
}

# refuse_running ends this process before it touches a cluster that runs.
refuse_running() {
	local n
	[[ -n $dir && -r $dir/cluster ]] || return 0
	load_cluster
	for n in $(seq "$nodes"); do
		! node_pid "$n" >/dev/null || die "node $n of $dir is running already"
	done
}

# up starts every node of the cluster in $dir and waits until all answer. A folder
# that was used before keeps its data, ports and number of nodes.
up() {
	local n pids=()
	fetch
	prepare_java
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd)
	if [[ -r $dir/cluster ]]; then
		load_cluster
	else
		((port > 0)) || port=$(free_port)
		# An id that begins with a dash is taken for an option, as one in 64 would be.
		head -c 16 /dev/urandom | base64 | tr '+/' '-_' | cut -c 1-22 | sed 's/^-/A/' >"$dir/cluster-id"
		echo "$nodes $port" >"$dir/cluster"
	fi
	rm -f "$dir/stopping"
	for n in $(seq "$nodes"); do
		! answers "$(broker_port "$n")" || die "port $(broker_port "$n") is in use; choose another with --port"
		mkdir -p "$(node_dir "$n")"
		configure "$n"
		format "$n" &
		pids+=($!)
	done
	for n in "${pids[@]}"; do wait "$n"; done
	for n in $(seq "$nodes"); do launch "$n"; done
	for n in $(seq "$nodes"); do await "$n"; done
}

# down ends the nodes in $dir: first a request, then, after $1 seconds, force.
down() {
	local n pid deadline=$((SECONDS + $1))
	touch "$dir/stopping" # start-node launches nothing from here on
	if (($1 > 0)); then
		for n in $(seq "$nodes"); do
			! pid=$(node_pid "$n") || kill -TERM "$pid" 2>/dev/null || true
		done
	fi
	for n in $(seq "$nodes"); do
		while ((SECONDS < deadline)) && node_pid "$n" >/dev/null; do sleep 0.1; done
		kill_node "$n"
	done
}

# kill_node ends node $1 with force and returns when it is gone.
kill_node() {
	local pid deadline=$((SECONDS + stop_seconds))
	while pid=$(node_pid "$1"); do
		((SECONDS <= deadline)) || die "node $1 (process $pid) does not end"
		kill -KILL "$pid" 2>/dev/null || true
		sleep 0.05
	done
}

# hold makes the cluster in $dir end with this process, however that ends: the
# watchdog reads a pipe whose other end only this process has.
hold() {
	refuse_running
	if [[ -z $dir ]]; then
		dir=$(mktemp -d "${TMPDIR:-/tmp}/waybill-kafka.XXXXXX")
		touch "$dir/temporary"
	fi
	mkdir -p "$dir"
	dir=$(cd "$dir" && pwd)
	touch "$dir/held"
	exec 9> >(exec "$self" guard --dir "$dir" >/dev/null 2>"$dir/guard.log")
	guard_pid=$!
	trap release EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# release ends what hold began. The nodes of a temporary folder have nothing to
# save, so they are not asked.
release() {
	local status=$? grace=$stop_seconds
	trap '' INT TERM HUP
	[[ ! -e $dir/temporary ]] || grace=0
	[[ ! -e $dir/cluster ]] || down "$grace"
	rm -f "$dir/held"
	exec 9>&-
	wait "$guard_pid" || true
	exit "$status"
}

# guard is the watchdog. Where its process has gone without release, it ends the
# nodes with force, twice, because one of them may just be starting.
guard() {
	trap '' INT TERM HUP
	while read -r _; do :; done
	if [[ -e $dir/held && -r $dir/cluster ]]; then
		load_cluster
		down 0
		sleep 1
		down 0
	fi
	rm -f "$dir/held"
	[[ ! -e $dir/temporary ]] || rm -rf "$dir"
}

# ---- commands ----------------------------------------------------------------

parse() {
	while (($#)); do
		case $1 in
		--nodes | --dir | --port)
			(($# > 1)) || die "$1 needs a value"
			printf -v "${1#--}" %s "$2"
			shift 2
			;;
		--)
			shift
			command=("$@")
			return
			;;
		*) die "unknown argument $1 (try: kafka.sh help)" ;;
		esac
	done
	[[ $nodes == 1 || $nodes == 3 ]] || die "--nodes is $nodes, must be 1 or 3"
	[[ $port =~ ^[0-9]{1,5}$ && $port -lt 65523 ]] || die "--port is $port, must be a number below 65523"
}

# node_argument checks the NODE of a command against the cluster.
node_argument() {
	load_cluster
	[[ ${node:-} =~ ^[1-3]$ && $node -le $nodes ]] ||
		die "NODE is ${node:-missing}, must be 1 to $nodes"
}

status() {
	local n pid all=0
	for n in $(seq "$nodes"); do
		if pid=$(node_pid "$n"); then
			echo "node=$n pid=$pid broker=127.0.0.1:$(broker_port "$n")"
		else
			echo "node=$n down"
			all=1
		fi
	done
	return "$all"
}

start_node() {
	[[ ! -e $dir/stopping ]] || die "$dir is being stopped"
	! node_pid "$node" >/dev/null || die "node $node is running already"
	prepare_java
	launch "$node"
	if [[ -e $dir/stopping ]]; then
		kill_node "$node"
		die "$dir is being stopped"
	fi
	await "$node"
}

# start_all is "start": a cluster that outlives this process, unless it fails.
start_all() {
	[[ -n $dir ]] || die "--dir is missing: stop needs it"
	refuse_running
	trap '[[ ! -r $dir/cluster ]] || down 0' EXIT
	up
	trap - EXIT
	echo "brokers=$(brokers)"
}

run() {
	hold
	up
	echo "brokers=$(brokers)"
	while read -r _; do :; done
}

with() {
	((${#command[@]})) || die "the COMMAND after -- is missing"
	hold
	up
	echo "brokers=$(brokers)" >&2
	export TEST_KAFKA_SCRIPT=$self TEST_KAFKA_DIR=$dir TEST_KAFKA_NODES=$nodes
	TEST_KAFKA_BROKERS=$(brokers) "${command[@]}" 9>&-
}

main() {
	local verb=${1:-help} node=
	(($# == 0)) || shift
	case $verb in
	pid | kill | start-node)
		node=${1:-}
		(($# == 0)) || shift
		;;
	esac
	parse "$@"
	case $verb in
	fetch) fetch ;;
	start) start_all ;;
	run) run ;;
	with) with ;;
	guard) guard ;;
	stop) load_cluster && down "$stop_seconds" ;;
	status) load_cluster && status ;;
	pid) node_argument && { node_pid "$node" || die "node $node is not running"; } ;;
	kill) node_argument && kill_node "$node" ;;
	start-node) node_argument && start_node ;;
	help | -h | --help) usage ;;
	*) die "unknown command $verb (try: kafka.sh help)" ;;
	esac
}

main "$@"
