"""The same work done by symbi-node, etcd and NATS, three nodes each, in alternating rounds. Run by bench-peers.sh, which builds.

Every system gets three processes on loopback and fresh directories on the same disk. The three run at the same time all along,
and only one is asked for anything at a time. Clients of symbi-node run inside its leader, as its agents' calls do; those of
etcd talk to its leader too, and NATS's to two of its servers.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

import figures

IN_FLIGHT = 64

# What is ours, and the peer's that does the same work.
PAIRS = [("write", "etcd"), ("ask", "nats-request"), ("ask-1", "nats-request-1"), ("tell", "nats-publish")]


def free_ports(count):
    """Ports that nobody listens on; bound together, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Peers:
    """Three processes of another system."""

    all = []

    def __init__(self, commands, base, name):
        self.processes = []
        for number, command in enumerate(commands):
            with open(os.path.join(base, f"{name}-{number}.log"), "wb") as log:
                self.processes.append(subprocess.Popen(command, stdout=log, stderr=log))
        Peers.all.append(self)

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def etcd(base):
    """A cluster of three, and the client address of its leader."""
    ports = free_ports(6)
    clients, peers = ports[:3], ports[3:]
    cluster = ",".join(f"e{n}=http://127.0.0.1:{port}" for n, port in enumerate(peers))
    commands = [
        ["etcd", "--name", f"e{n}", "--data-dir", os.path.join(base, f"e{n}"), "--log-level", "error",
         "--listen-client-urls", f"http://127.0.0.1:{clients[n]}", "--advertise-client-urls", f"http://127.0.0.1:{clients[n]}",
         "--listen-peer-urls", f"http://127.0.0.1:{peers[n]}", "--initial-advertise-peer-urls", f"http://127.0.0.1:{peers[n]}",
         "--initial-cluster", cluster, "--initial-cluster-token", "bench", "--initial-cluster-state", "new"]
        for n in range(3)
    ]
    Peers(commands, base, "etcd")
    figures.wait_for(lambda: all(listens(port) for port in clients), "etcd listens")

    def leader():
        for port in clients:
            words = ["etcdctl", "--endpoints", f"http://127.0.0.1:{port}", "endpoint", "status", "-w", "json"]
            ran = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "ETCDCTL_API": "3"})
            if ran.returncode == 0:
                status = json.loads(ran.stdout)[0]["Status"]
                if status["leader"] and status["leader"] == status["header"]["member_id"]:
                    return port
        return None

    figures.wait_for(leader, "etcd has a leader")
    return f"127.0.0.1:{leader()}"


def nats(base):
    """Three servers in a cluster, and the addresses of two of them."""
    ports = free_ports(6)
    clients, routes = ports[:3], ports[3:]
    every = ",".join(f"nats://127.0.0.1:{port}" for port in routes)
    commands = [
        ["nats-server", "--addr", "127.0.0.1", "--port", str(clients[n]), "--server_name", f"s{n}", "--cluster_name", "bench",
         "--cluster", f"nats://127.0.0.1:{routes[n]}", "--routes", every]
        for n in range(3)
    ]
    Peers(commands, base, "nats")
    figures.wait_for(lambda: all(listens(port) for port in clients), "nats-server listens")
    return [f"127.0.0.1:{port}" for port in clients[:2]]


def run(words):
    ran = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"failed: {' '.join(map(str, words))}\n{ran.stderr}")
    return json.loads(ran.stdout)


def tasks(options, leader, etcd_at, nats_at):
    """What is measured: a key, what it is for people, and the command."""
    bench = [options.binary, "bench"]
    tail = ["--seconds", options.seconds, "-o", "json", "--data-dir", leader.dir]
    peer = options.client
    # One sender has eight batches of up to 64 messages under way: with so many clients all are full.
    clients, many = options.clients, 8 * options.clients
    return [
        ("write", f"symbi-node bench write --clients {clients}", [*bench, "write", "--clients", clients, *tail]),
        ("etcd", f"etcd put, {clients} clients", [peer, "etcd", clients, options.seconds, etcd_at]),
        ("ask", f"symbi-node bench ask --clients {IN_FLIGHT}", [*bench, "ask", "--clients", IN_FLIGHT, *tail]),
        ("nats-request", f"NATS request, {IN_FLIGHT} in flight", [peer, "nats-request", IN_FLIGHT, options.seconds, *nats_at]),
        ("ask-1", "symbi-node bench ask --clients 1", [*bench, "ask", "--clients", 1, *tail]),
        ("nats-request-1", "NATS request, 1 in flight", [peer, "nats-request", 1, options.seconds, *nats_at]),
        ("tell", f"symbi-node bench tell --clients {many}", [*bench, "tell", "--clients", many, *tail]),
        ("nats-publish", "NATS publish, unacknowledged", [peer, "nats-publish", many, options.seconds, *nats_at]),
        ("tell-100", f"symbi-node bench tell --clients {many} --sessions 100",
         [*bench, "tell", "--clients", many, "--sessions", 100, *tail]),
        ("ask-100", f"symbi-node bench ask --clients {IN_FLIGHT} --sessions 100",
         [*bench, "ask", "--clients", IN_FLIGHT, "--sessions", 100, *tail]),
        ("policy", "symbi-node bench policy --clients 1", [*bench, "policy", "--clients", 1, *tail]),
        ("place", "symbi-node bench place --clients 16", [*bench, "place", "--clients", 16, *tail]),
    ]


def jobs(work):
    """The tasks that are measured in turn: ours and the peer's that does the same, else one alone. So what is compared is measured
    in the same minute, and no round pays for what another kind of work has left to be compacted."""
    by_key = {task[0]: task for task in work}
    theirs = {other for _, other in PAIRS}
    other_of = dict(PAIRS)
    pairs = [[task, by_key.get(other_of.get(task[0]))] for task in work if task[0] not in theirs]
    alone = [[task] for task in work if task[0] in theirs and all(task not in pair for pair in pairs)]
    return [[task for task in pair if task] for pair in pairs] + alone


def median(rows, key):
    return statistics.median(row[key] for row in rows)


def report(measured, names):
    """Medians of each, and ratios of what does the same work."""
    lines = {}
    for key, rows in measured.items():
        errors = sum(sum(row["errors"].values()) for row in rows)
        lines[key] = {"what": names[key], "rounds": rows, "errors": errors}
        lines[key].update({figure: median(rows, figure) for figure in ("rate", "p50_us", "p99_us", "max_us")})
    ratios = {f"{ours}/{theirs}": round(lines[ours]["rate"] / lines[theirs]["rate"], 3) for ours, theirs in PAIRS
              if ours in lines and theirs in lines}
    return {"lines": lines, "ratios": ratios}


def show(found):
    print(f"{'what':58} {'per second':>12} {'p50 µs':>10} {'p99 µs':>10} {'errors':>7}")
    for line in found["lines"].values():
        print(f"{line['what']:58} {line['rate']:12,.0f} {line['p50_us']:10,.1f} {line['p99_us']:10,.1f} {line['errors']:7}")
    for pair, ratio in found["ratios"].items():
        print(f"{pair:58} {ratio:12.2f} ×")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--client", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--only", default="", help="what to measure, comma-separated (default: everything)")
    parser.add_argument("--dir", default=None, help="where all nine processes keep their data (default: a new directory in /tmp)")
    parser.add_argument("--json", default="bench-peers.json")
    options = parser.parse_args()
    base = tempfile.mkdtemp(prefix="symbi-peers-", dir=options.dir or "/tmp")
    try:
        nodes, _ = figures.cluster_of_three(options.binary, base)
        leader = figures.leader_of(nodes)
        work = tasks(options, leader, etcd(base), nats(base))
        work = [task for task in work if not options.only or task[0] in options.only.split(",")]
        measured = {key: [] for key, _, _ in work}
        for job in jobs(work):
            for number in range(options.rounds):
                for key, what, words in job:
                    print(f"round {number + 1} of {options.rounds}: {what}", file=sys.stderr)
                    measured[key].append(run(words))
                    # What one system still writes behind its back must not be the next one's burden.
                    time.sleep(1)
        found = report(measured, {key: what for key, what, _ in work})
        found["machine"] = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "seconds": options.seconds}
        with open(options.json, "w") as file:
            json.dump(found, file, indent=2)
        show(found)
    finally:
        for started in [*figures.Node.all, *Peers.all]:
            started.kill()
        shutil.rmtree(base, ignore_errors=True)


if __name__ == "__main__":
    main()
