#!/usr/bin/env python3
"""A cluster with very many agents and a very long audit: how long a start and a join take, what a wiped node costs the others.

Real nodes on loopback. symbi-fill makes the data directory of the first one. Prints figures, and ends with 1 if one of them is worse
than is promised. Runs as the part "million" of scripts/test.sh --deep, or alone:

    scripts/million.py --agents 1000000 --records 0
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
# What is promised.
START_S, JOIN_S, GROWTH_MB, AGENT_KB, LOAD_S = 2.0, 2.0, 300, 1.0, 4.0
WRITES = 2_000
# Heartbeats come every 100 ms, and none is late by more than that.
SILENCE_MS = 200

figures, broken = {}, []


def note(name, value, unit, most=None, least=None):
    """Prints a figure, and remembers one that is worse than is promised."""
    figures[name] = round(value, 2)
    bad = most is not None and value > most or least is not None and value < least
    if bad:
        broken.append(name)
    limits = [f"{word} {limit:g}" for word, limit in (("at most", most), ("at least", least)) if limit is not None]
    limit = f"  ({limits[0]}{', MISSED' if bad else ''})" if limits else ""
    print(f"{name:<52} {value:>12.2f} {unit}{limit}", flush=True)


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Node:
    """A node, running or not."""

    all = []

    def __init__(self, base, name, binary):
        self.name, self.binary, self.dir = name, binary, os.path.join(base, name)
        self.log = os.path.join(base, f"{name}.log")
        self.listen, self.http = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self.process = None
        Node.all.append(self)

    def start(self, *more):
        """Starts it, and answers how long it took until it serves."""
        words = ["start", "--data-dir", self.dir, "--name", self.name, "--listen", self.listen, "--http", self.http]
        began = time.monotonic()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.binary, *words, *more], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended: see {self.log}\n" + "".join(open(self.log).readlines()[-20:]))
            try:
                urllib.request.urlopen(f"http://{self.http}/health/ready", timeout=5).read()
                return time.monotonic() - began
            except OSError:
                time.sleep(0.02)

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()

    def run(self, *verb):
        ran = subprocess.run([self.binary, *verb, "--data-dir", self.dir], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if ran.returncode != 0:
            sys.exit(f"{' '.join(verb)}: {ran.stderr.decode()}")
        return ran.stdout.decode()

    def status(self):
        return json.loads(self.run("cluster", "status", "-o", "json"))

    def memory(self, field="VmRSS"):
        """MB of memory: now, or with VmHWM at most so far."""
        text = open(f"/proc/{self.process.pid}/status").read()
        return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.M)[1]) / 1024

    def forget_peak(self):
        """From now on, VmHWM is the most since now."""
        with open(f"/proc/{self.process.pid}/clear_refs", "w") as file:
            file.write("5")

    def token(self):
        return json.loads(self.run("token", "create", "--uses", "1", "--ttl", "1h", "-o", "json"))["token"]

    def remove(self, name):
        """Removes a node that has stopped, once it counts as down."""
        words = [self.binary, "node", "remove", name, "--yes", "--data-dir", self.dir]
        while (ran := subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)).returncode == 7:
            time.sleep(0.5)
        if ran.returncode != 0:
            sys.exit(f"{name} is not removed: {ran.stderr.decode()}")

    def complete(self):
        """Waits until its audit is whole."""
        while self.status()["audit"]["missing"]:
            time.sleep(0.1)


def fill(node, what, count):
    tool = os.path.join(os.path.dirname(node.binary), "symbi-fill")
    print(f"  {subprocess.run([tool, node.dir, what, str(count)], check=True, stdout=subprocess.PIPE).stdout.decode().strip()}")


def loaded(node):
    """How long the node took to read its state, by its own word."""
    found = re.findall(r"the state was read from the disk.*?\bms=(\d+)", re.sub(r"\x1b\[\d*m", "", open(node.log).read()))
    if not found:
        sys.exit(f"error: {node.log} does not say how long the state took to read")
    return int(found[-1]) / 1000


def join(base, first, name, options):
    node = Node(base, name, options.binary)
    took = node.start("--join", first.listen, "--token", first.token(), "--join-timeout", "600s")
    return node, took


def directories(base, first, options):
    """What the length of the audit costs a start and a join: almost nothing."""
    fresh_start = first.start()
    second, fresh_join = join(base, first, "fresh", options)
    note("start of a fresh node", fresh_start, "s")
    note("join of a fresh cluster", fresh_join, "s")
    second.stop()
    first.remove("fresh")
    first.stop()
    if options.records:
        fill(first, "records", options.records)
        note(f"start after {options.records:,} more records", first.start(), "s", START_S)
        second, took = join(base, first, "long", options)
        note(f"join after {options.records:,} more records", took, "s")
        note("  and that is longer than a fresh one by", took - fresh_join, "s", JOIN_S)
        began = time.monotonic()
        second.complete()
        note("  and so long later its audit is complete", time.monotonic() - began, "s")
        checked = json.loads(second.run("audit", "verify", "-o", "json")) if options.verify else None
        if checked is not None and not checked["ok"]:
            broken.append("the joiner's chain verifies")
        second.stop()
        first.remove("long")
        first.stop()


def agents(base, first, options):
    """What very many agents cost in memory and time, and a wiped node the others."""
    first.start()
    empty = first.memory()
    first.stop()
    fill(first, "agents", options.agents)
    note("start with these agents", first.start(), "s")
    note("  of that, to read the state", loaded(first), "s", LOAD_S)
    image = first.memory() - empty
    note("memory of an agent", image * 1024 / options.agents, "KB", AGENT_KB)
    nodes = [first]
    for name in ("n2", "n3"):
        node, took = join(base, first, name, options)
        note(f"join of {name} with these agents", took, "s")
        nodes.append(node)
    while first.status()["quorum"]["voters"] < 3:
        time.sleep(0.1)
    for node in nodes:
        node.complete()
    wiped(base, nodes, options)


def listen(node, silences, ended):
    """Notes every half minute how long the node has not heard the leader at most."""
    while not ended.wait(30):
        silences.append(node.status()["silence_ms"])


def wiped(base, nodes, options):
    first, _, third = nodes
    third.stop(signal.SIGKILL)
    shutil.rmtree(third.dir)
    before, term = first.memory(), first.status()["term"]
    first.forget_peak()
    lines = []
    bench = [first.binary, "bench", "write", "--clients", str(options.clients), "--seconds", "60", "--data-dir", first.dir]
    writing = subprocess.Popen([*bench, "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    threading.Thread(target=lambda: lines.append(writing.communicate()), daemon=True).start()
    time.sleep(3)
    # A node tells its longest silence of the last minute or two: a join that takes longer is listened to all along.
    silences, joined = [], threading.Event()
    ear = threading.Thread(target=lambda: listen(nodes[1], silences, joined), daemon=True)
    ear.start()
    fourth, took = join(base, first, "n4", options)
    joined.set()
    ear.join()
    note("join of a wiped node while others write", took, "s")
    note("elections meanwhile", first.status()["term"] - term, "", 0)
    silences += [node.status()["silence_ms"] for node in (nodes[1], fourth)]
    if None in silences:
        sys.exit("error: a node has never heard the leader")
    note("longest silence of the leader, heard by the others", max(silences), "ms", SILENCE_MS)
    note("sender's growth", first.memory("VmHWM") - before, "MB", GROWTH_MB)
    fourth.complete()
    note("receiver's peak beyond what it needs", fourth.memory("VmHWM") - nodes[1].memory(), "MB", GROWTH_MB)
    writing.wait()
    while not lines:
        time.sleep(0.1)
    said = lines[0][0].decode()
    note("writes a second meanwhile", json.loads(said)["rate"], "", least=WRITES)
    for node in (first, nodes[1], fourth):
        node.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", 1)[1])
    parser.add_argument("--agents", type=int, default=1_000_000, help="how many agents; 0 for none")
    parser.add_argument("--records", type=int, default=5_000_000, help="how many audit records more; 0 for none")
    parser.add_argument("--clients", type=int, default=32, help="how many clients write while a wiped node catches up")
    parser.add_argument("--binary", default=os.path.join(TARGET, "debug", "symbi-node"))
    parser.add_argument("--keep", action="store_true", help="keep the directories")
    parser.add_argument("--verify", action="store_true", help="verify the joiner's chain too, which takes minutes")
    options = parser.parse_args()
    base = tempfile.mkdtemp(prefix="symbi-million-")
    try:
        if options.records:
            directories(base, Node(base, "n0", options.binary), options)
        if options.agents:
            agents(base, Node(base, "n1", options.binary), options)
    finally:
        for node in Node.all:
            if node.process is not None and node.process.poll() is None:
                node.process.kill()
        if not options.keep and not broken:
            shutil.rmtree(base, ignore_errors=True)
    print(json.dumps(figures))
    if broken:
        sys.exit(f"MISSED: {', '.join(broken)}; the directories are in {base}")


if __name__ == "__main__":
    main()
