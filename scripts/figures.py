"""The figures of a cluster of three, measured with the command line alone. Run by figures.sh, which builds the program."""

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
AGENTS = 6
IDLE_SECONDS = 20
PATIENCE = 60


class Node:
    """A process of the program, its directory and its ports."""

    all = []

    def __init__(self, binary, base, name):
        self.binary, self.name = binary, name
        self.dir, self.log = os.path.join(base, name), os.path.join(base, name + ".log")
        self.ready_file = os.path.join(base, name + ".ready")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.listen = "127.0.0.1:%d" % probe.getsockname()[1]
        self.process = None
        Node.all.append(self)

    def start(self, *more):
        """Starts it; the time at which it began."""
        if os.path.exists(self.ready_file):
            os.remove(self.ready_file)
        command = [self.binary, "start", "--data-dir", self.dir, "--name", self.name, "--listen", self.listen]
        command += ["--http", "127.0.0.1:0", "--ready-file", self.ready_file, *more]
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stderr=log, stdout=log)
        return began

    def kill(self):
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None

    def ready(self):
        wait_for(lambda: os.path.exists(self.ready_file), self.name + " is ready")

    def try_cli(self, *words):
        """What the verb printed, or None if it failed."""
        ran = subprocess.run([self.binary, *words, "--data-dir", self.dir], capture_output=True, text=True)
        return ran.stdout if ran.returncode == 0 else None

    def cli(self, *words):
        out = self.try_cli(*words)
        if out is None:
            sys.exit(f"{self.name}: symbi-node {' '.join(words)} failed")
        return out

    def status(self):
        out = self.try_cli("cluster", "status", "-o", "json")
        return json.loads(out) if out else None

    def used(self):
        """Resident MiB, and seconds of processor time so far."""
        with open(f"/proc/{self.process.pid}/status") as file:
            resident = next(line for line in file if line.startswith("VmRSS:"))
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return int(resident.split()[1]) / 1024, (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_for(condition, what):
    """Looks every 5 ms until the condition holds; the time at which it did."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"timed out after {PATIENCE} s waiting until {what}")
        time.sleep(0.005)
    return time.monotonic()


def settled(nodes):
    """Waits until all are voters that hear each other and follow one leader."""

    def whole():
        found = [node.status() for node in nodes]
        leaders = {status["leader"] for status in found if status}
        good = [n for s in found if s for n in s["nodes"] if (n["role"], n["state"]) == ("voter", "ready")]
        return None not in found and len(leaders) == 1 and None not in leaders and len(good) == len(nodes) ** 2

    wait_for(whole, "every node hears every other")


def leader_of(nodes):
    name = nodes[0].status()["leader"]
    return next(node for node in nodes if node.name == name)


def starts(binary, base, count):
    """Seconds from the start of a process in an empty directory to its first acknowledged write."""
    took = []
    for number in range(count):
        node = Node(binary, base, f"start-{number}")
        began = node.start()
        wait_for(lambda: node.try_cli("token", "create", "--timeout", "5s"), "a first write succeeds")
        took.append(time.monotonic() - began)
        node.kill()
    return took


def cluster_of_three(binary, base):
    """Three voters, and how long each join took until the node served."""
    nodes = [Node(binary, base, name) for name in ("n1", "n2", "n3")]
    nodes[0].start()
    nodes[0].ready()
    token = nodes[0].cli("token", "create", "--uses", "2").strip()
    took = []
    for node in nodes[1:]:
        began = node.start("--join", nodes[0].listen, "--token", token)
        node.ready()
        took.append(time.monotonic() - began)
    settled(nodes)
    return nodes, took


def idle(nodes):
    """MiB and percent of a core of each node that has nothing to do."""
    time.sleep(5)
    before = [node.used() for node in nodes]
    time.sleep(IDLE_SECONDS)
    after = [node.used() for node in nodes]
    percent = [100 * (new[1] - old[1]) / IDLE_SECONDS for old, new in zip(before, after)]
    return [resident for resident, _ in after], percent


def run_agents(node, base):
    program = os.path.join(base, "idle_agent.py")
    with open(program, "w") as file:
        file.write("from symbi_agent import Agent\nAgent().run(lambda message: message.payload)\n")
    for number in range(AGENTS):
        spec = os.path.join(base, f"a{number}.toml")
        with open(spec, "w") as file:
            command = json.dumps([sys.executable, program])
            file.write(f'name = "a{number}"\nowner = "figures"\n[program]\ncommand = {command}\n')
            file.write(f'env = {{ PYTHONPATH = "{HERE}/agents" }}\n[restart]\npolicy = "always"\n')
        node.cli("agent", "run", spec, "--wait")


def leader_kills(nodes, count):
    """Seconds from kill -9 of the leader to the next acknowledged write, sent at once to one of the others."""
    took = []
    for number in range(count):
        leader = leader_of(nodes)
        other = next(node for node in nodes if node is not leader)
        leader.kill()
        began = time.monotonic()
        wait_for(lambda: other.try_cli("agent", "annotate", "a0", "kill", str(number), "--timeout", "20s"), "the next write succeeds")
        took.append(time.monotonic() - began)
        leader.start()
        leader.ready()
        settled(nodes)
    return took


def node_kills(nodes, count):
    """Seconds from kill -9 of a node, the leader and another in turn, until all its agents run elsewhere."""
    took = []
    for number in range(count):
        leader = leader_of(nodes)
        victim = leader if number % 2 == 0 else next(node for node in nodes if node is not leader)
        other = next(node for node in nodes if node is not victim)
        agents = json.loads(other.cli("agent", "ls", "-o", "json"))
        lost = {agent["name"] for agent in agents if agent["node"] == victim.name}
        if not lost:
            sys.exit(f"{victim.name} runs no agent, so killing it would measure nothing")
        victim.kill()
        began = time.monotonic()

        def elsewhere():
            agents = json.loads(other.try_cli("agent", "ls", "-o", "json") or "[]")
            there = {a["name"] for a in agents if a["node"] not in (None, victim.name) and a["state"] == "running"}
            return lost <= there

        took.append(wait_for(elsewhere, "its agents run elsewhere") - began)
        victim.start()
        victim.ready()
        settled(nodes)
        # Agents stay where they are: new ones go to the node that has the fewest.
        for name in sorted(lost):
            other.cli("agent", "rm", name)
        wait_for(lambda: not lost & {a["name"] for a in json.loads(other.cli("agent", "ls", "-o", "json"))}, "they are gone")
        for name in sorted(lost):
            other.cli("agent", "run", os.path.join(os.path.dirname(other.dir), name + ".toml"), "--wait")
    return took


def verifier(binary, base):
    """How many MB the verifier that needs no node has, stripped, which lies beside the program."""
    stripped = os.path.join(base, "symbi-audit")
    subprocess.run(["strip", "-o", stripped, os.path.join(os.path.dirname(binary), "symbi-audit")], check=True)
    return [os.path.getsize(stripped) / 1e6]


def row(what, values, unit, limit):
    """A line of the table; whether its largest value is within the limit."""
    most, held = max(values), max(values) <= limit
    middle = statistics.median(values)
    print(f"{what:<44}{len(values):>4}{middle:>10.2f}{most:>10.2f} {unit:<4} <= {limit:<6g}{'yes' if held else 'NO'}", flush=True)
    return held


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--kills", type=int, default=20)
    arguments = parser.parse_args()
    base = tempfile.mkdtemp(prefix="symbi.", dir="/tmp")
    print(f"{'three nodes, one machine, ' + str(os.cpu_count()) + ' cores':<44}{'n':>4}{'median':>10}{'max':>10}      wanted   held")
    try:
        held = [row("symbi-audit, stripped", verifier(arguments.binary, base), "MB", 6)]
        held.append(row("start in an empty directory to first commit", starts(arguments.binary, base, 5), "s", 1))
        nodes, joins = cluster_of_three(arguments.binary, base)
        held.append(row("start with --join to ready", joins, "s", 3))
        resident, percent = idle(nodes)
        held.append(row("idle: resident memory of each node", resident, "MiB", 100))
        held.append(row("idle: processor of each node", percent, "%", 3))
        run_agents(nodes[0], base)
        held.append(row("leader killed to next commit", leader_kills(nodes, arguments.kills), "s", 1.5))
        held.append(row("node killed to its agents running elsewhere", node_kills(nodes, 4), "s", 15))
    finally:
        for node in Node.all:
            node.kill()
    shutil.rmtree(base)
    sys.exit(0 if all(held) else 1)


if __name__ == "__main__":
    main()
