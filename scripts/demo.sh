#!/usr/bin/env bash
# The main job: three nodes, agents that review every dependency of this program, a node killed half-way, and proof.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

usage() {
    cat <<'TEXT'
usage: scripts/demo.sh [OPTIONS]

Builds symbi-node, starts three nodes on this machine, and has agents review every registry package in Cargo.lock while
a node is killed. Then it checks the result against a plain pass, shows a denial and its reason, and verifies the audit.

  --kill leader|coordinator|none   which node to kill -9 half-way: the one that leads, or the one that hosts the
                                   coordinating agent (default: leader)
  --short                          review 60 packages only
  --input DIR                      review another Rust workspace
  --binary PATH                    use this symbi-node and build nothing
  --release                        build with optimisation
  --keep                           leave the cluster running, and print how to talk to it and how to stop it
TEXT
}

kill_what=leader limit=0 input=$root binary='' release='' keep=''
while [ $# -gt 0 ]; do
    case "$1" in
        --kill) kill_what=${2:-}; shift ;;
        --short) limit=60 ;;
        --input) input=${2:-}; shift ;;
        --binary) binary=${2:-}; shift ;;
        --release) release=--release ;;
        --keep) keep=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; die "unknown argument $1" ;;
    esac
    shift
done
case "$kill_what" in leader | coordinator | none) ;; *) die "--kill takes leader, coordinator or none, not '$kill_what'" ;; esac
[ -f "$input/Cargo.lock" ] || die "$input has no Cargo.lock" "name a Rust workspace with --input DIR"

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
[ -t 1 ] && [ -z "${NO_COLOR:-}" ] || say() { printf '\n== %s\n' "$*"; }

# What it takes.
install_packages
check_toolchain
if [ -z "$binary" ]; then
    check_room
    profile=debug
    [ -z "$release" ] || profile=release
    [ -e "$CARGO_TARGET_DIR/$profile/symbi-node" ] || echo "a first build takes about half an hour on two cores, most of it RocksDB"
    # The whole workspace's programs, as the tests build them: nothing is compiled twice.
    what='--workspace --bins'
    [ -z "$release" ] || what='-p symbi-node'
    (cd "$root" && cargo build --locked $release $what)
    binary=$CARGO_TARGET_DIR/$profile/symbi-node
fi
[ -x "$binary" ] || die "$binary is not an executable file"
echo "fetching the sources to review"
(cd "$input" && cargo fetch --locked --quiet)

# Where the nodes keep their data, and how they are stopped.
work=$(mktemp -d /tmp/symbi.XXXXXX)
agents=$root/scripts/agents
declare -A pids=()
stop_all() {
    for pid in "${pids[@]}"; do
        kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}
finish() {
    local code=$?
    if [ -n "$keep" ] && [ $code = 0 ]; then return; fi
    stop_all
    if [ $code = 0 ]; then
        rm -rf "$work"
    else
        echo "the nodes' logs are in $work" >&2
        for name in n1 n2 n3; do
            [ ! -f "$work/$name.log" ] || { echo "-- the last lines of $name.log" >&2; tail -5 "$work/$name.log" >&2; }
        done
    fi
}
trap finish EXIT
trap 'exit 130' INT TERM

mapfile -t ports < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(6)]
for s in sockets: s.bind(("127.0.0.1", 0))
for s in sockets: print(s.getsockname()[1])')

start_node() { # name, index, more arguments
    local name=$1 index=$2
    shift 2
    "$binary" start --data-dir "$work/$name" --name "$name" --listen "127.0.0.1:${ports[index]}" \
        --http "127.0.0.1:${ports[index + 3]}" --ready-file "$work/$name.ready" "$@" >"$work/$name.log" 2>&1 &
    pids[$name]=$!
    local waited=0
    until [ -e "$work/$name.ready" ]; do
        kill -0 "${pids[$name]}" 2>/dev/null || { cat "$work/$name.log" >&2; die "node $name did not start"; }
        waited=$((waited + 1))
        [ $waited -lt 600 ] || { cat "$work/$name.log" >&2; die "node $name is not ready after 60 s"; }
        sleep 0.1
    done
    echo "$name is ready on 127.0.0.1:${ports[index]}, HTTP on 127.0.0.1:${ports[index + 3]}"
}

# Which node is asked: one that is running.
ask_node=n1
symbi() { "$binary" "$@" --data-dir "$work/$ask_node"; }
json() { python3 -c 'import json,sys
value = json.load(sys.stdin)
for key in sys.argv[1:]: value = value[int(key)] if key.lstrip("-").isdigit() else value[key]
print("" if value is None else value)' "$@"; }
alive() {
    for ask_node in n1 n2 n3; do
        if kill -0 "${pids[$ask_node]}" 2>/dev/null; then return; fi
    done
    die "no node is running"
}
node_of() { symbi agent show "$1" -o json | json node; }

say "three nodes"
start_node n1 0 --cluster-name demo
token=$(symbi token create --uses 2)
start_node n2 1 --join "127.0.0.1:${ports[0]}" --token "$token"
start_node n3 2 --join "127.0.0.1:${ports[0]}" --token "$token"
symbi cluster status
anchor=$(symbi cluster status -o json | json cluster anchor)
cp "$work/n1/admin.token" "$work/admin.token"
export SYMBI_TOKEN_FILE=$work/admin.token

say "agents: six reviewers and a coordinator, placed by the cluster"
spec() { # name, owner, program, in flight
    cat >"$work/$1.toml" <<TOML
name = "$1"
owner = "$2"
[program]
command = ["$(command -v python3)", "$agents/$3"]
env = { SYMBI_JOB_DIR = "$work", HOME = "$HOME", PATH = "$PATH" }
max_in_flight = $4
[resources]
memory_mb = 256
cpu_millis = 100
[restart]
policy = "always"
TOML
}
reviewers=''
for i in 1 2 3 4 5 6; do
    spec "reviewer-$i" demo reviewer.py 1
    symbi agent run "$work/reviewer-$i.toml" >/dev/null
    reviewers="$reviewers\"reviewer-$i\","
done
spec coordinator demo coordinator.py 4
spec outsider somebody-else reviewer.py 1
symbi agent run "$work/coordinator.toml" --wait >/dev/null
symbi agent run "$work/outsider.toml" --wait >/dev/null
for i in 1 2 3 4 5 6; do
    until [ "$(symbi agent show "reviewer-$i" -o json | json state)" = running ]; do sleep 0.2; done
done
symbi agent ls
symbi agent ls -o json >"$work/before.json"

say "the job: a review of every registry package in $input/Cargo.lock"
python3 "$root/scripts/demo_report.py" packages "$input" $limit >"$work/packages.json"
total=$(python3 -c 'import json,sys; print(len(json.load(open(sys.argv[1]))))' "$work/packages.json")
report=$work/report.jsonl
python3 - "$work/packages.json" "$report" "[${reviewers%,}]" >"$work/job.json" <<'PY'
import json, sys
packages = [{key: package[key] for key in ("name", "version", "path")} for package in json.load(open(sys.argv[1]))]
json.dump({"packages": packages, "reviewers": json.loads(sys.argv[3]), "report": sys.argv[2], "in_flight": 6,
           "timeout_ms": 20000}, sys.stdout)
PY
killed='' half=0
[ "$kill_what" = none ] || half=$((total / 2))
victim() { if [ "$kill_what" = leader ]; then symbi cluster status -o json | json leader; else node_of coordinator; fi; }
symbi agent tell coordinator "@$work/job.json" >/dev/null
began=$SECONDS
state=$(python3 "$root/scripts/demo_report.py" follow "$report" "$total" $half)
if [ "$state" = half ]; then
    killed=$(victim)
    kill -9 "${pids[$killed]}"
    wait "${pids[$killed]}" 2>/dev/null || true
    say "killed (-9) $killed, the node that $([ "$kill_what" = leader ] && echo leads || echo hosts the coordinator)"
    alive
    python3 "$root/scripts/demo_report.py" follow "$report" "$total" 0 >/dev/null
elif [ "$kill_what" != none ]; then
    die "the job was done before a node could be killed half-way"
fi
echo
echo "the job took $((SECONDS - began)) s"

say "the result, compared"
need=no
[ "$kill_what" = none ] || need=yes
python3 "$root/scripts/demo_report.py" check "$report" "$work/packages.json" $need
moved=0
if [ "$kill_what" != none ]; then
    for _ in $(seq 300); do
        symbi agent ls -o json >"$work/after.json"
        moved=$(python3 - "$work/before.json" "$work/after.json" <<'PY'
import json, sys
before, after = ({agent["name"]: agent for agent in json.load(open(path))} for path in sys.argv[1:])
print(sum(1 for name, agent in after.items()
          if agent["node"] and agent["node"] != before[name]["node"] and agent["state"] == "running"))
PY
)
        [ "$moved" = 0 ] || break
        sleep 0.2
    done
    [ "$moved" -gt 0 ] || die "no agent moved although $killed was killed"
    echo "$moved agents run on another node now:"
    symbi agent ls
fi

say "an agent of another owner asks a reviewer"
if denial=$(symbi agent ask reviewer-1 '{}' --from outsider 2>&1); then die "it was answered: $denial"; else code=$?; fi
echo "$denial"
[ $code = 4 ] || die "exit code $code instead of 4"
decision=$(grep -o 'why decision [^ ]*' <<<"$denial" | cut -d' ' -f3)
symbi why decision "$decision"

say "the audit, exported and verified offline"
symbi audit export --bundle "$work/bundle.jsonl"
# What three voters have signed first: whoever keeps it elsewhere knows every later bundle.
pin=$(symbi cluster status -o json | json cluster pin)
# 8: all of it holds, but the ledger of the node that was killed could not be had.
"$binary" audit verify "$work/bundle.jsonl" --anchor "$anchor" --pin "$pin" | tee "$work/verified" && code=0 || code=$?
grep -q "witnessed to record" "$work/verified" || die "no voter has signed it"
[ $code = 0 ] || [ $code = 8 ] || die "exit code $code instead of 0 or 8"
python3 - "$work/bundle.jsonl" "$work/changed.jsonl" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
data[len(data) // 2] ^= 1
open(sys.argv[2], "wb").write(data)
PY
echo "and a copy with one bit changed:"
if "$binary" audit verify "$work/changed.jsonl" --anchor "$anchor"; then die "the changed copy was accepted"; else code=$?; fi
[ $code = 10 ] || die "exit code $code instead of 10"

say "the ten crates with the most uses of unsafe"
python3 "$root/scripts/demo_report.py" top "$report"

say "what this has shown"
cat <<TEXT
 * three identical nodes formed one cluster; two of them joined with a token whose secret was never sent
 * $total packages were reviewed by agents on all nodes, and the report matches a plain pass and cargo's own metadata
TEXT
if [ "$kill_what" != none ]; then
    cat <<TEXT
 * $killed was killed half-way; asks that failed were repeated, and $moved agents moved and carried on
TEXT
fi
cat <<TEXT
 * an agent of another owner was refused, and any node can say why
 * the audit verifies without the cluster, most of the voters have signed it, and a copy with one changed bit does not
TEXT
if [ -n "$keep" ]; then
    trap - EXIT
    cat <<TEXT

the cluster is still running. Talk to it:   $binary cluster status --data-dir $work/$ask_node
stop it and remove its files:               kill ${pids[*]}; rm -rf $work
TEXT
fi
