"""The deep tier of the tests: what the first tier runs, with more seeds and for longer. Run by test.sh, which builds.

It has parts, and each part has pieces of a minute or so. A piece that has passed is not run again until the sources change, so a run
that was interrupted, or had failures, picks up where it left off. A slice is one piece of each part whose pieces are short.
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ["CARGO_TARGET_DIR"]
# The first tier has the seeds below this one.
FIRST_SEED = 1_000


class Part:
    """Some pieces of one kind."""

    def __init__(self, name, what, pieces, each, unit, command, in_slices=True):
        self.name, self.what, self.pieces, self.each, self.unit = name, what, pieces, each, unit
        self.command, self.in_slices = command, in_slices

    def seeds(self, number):
        """The seeds of a piece: where they begin, and where they end."""
        first = FIRST_SEED + number * self.each
        return first, first + self.each


def simulated(part, number):
    first, end = part.seeds(number)
    return [os.path.join(TARGET, "debug", "symbi-sim"), "--seeds", f"{first}..{end}", "--jobs", str(os.cpu_count())], {}


def tests(expression):
    """The tests of an expression, with the seeds of a piece."""

    def command(part, number):
        first, end = part.seeds(number)
        seeds = {"SYMBI_SEEDS": f"{first}..{end}", "PROPTEST_RNG_SEED": str(first)}
        return ["cargo", "nextest", "run", "--locked", "--workspace", "--no-fail-fast", "-E", expression], seeds

    return command


def histories(part, number):
    """Random histories, of which proptest takes the number from a variable."""
    command, seeds = tests("package(symbi-model) and test(/^random::replicas/)")(part, number)
    return command, {**seeds, "PROPTEST_CASES": str(part.each)}


def job(part, number):
    kill = ("leader", "coordinator", "none")[number % 3]
    binary = os.path.join(TARGET, "debug", "symbi-node")
    return [os.path.join(ROOT, "scripts", "demo.sh"), "--kill", kill, "--binary", binary], {}


def million(part, number):
    binary = os.path.join(TARGET, "debug", "symbi-node")
    return [os.path.join(ROOT, "scripts", "million.py"), "--binary", binary], {}


KILLS = "package(symbi-cluster-tests) and (test(/^durability::/) or test(/^full_disk::/) or test(/^removal::/) or \
test(/^linearizable::/) or test(killed) or test(stood_still) or test(nodes_join_while_others_write) or test(policies_moved))"
DAMAGE = "package(symbi-cluster-tests) and (test(a_bundle_verifies_offline) or test(raft_frames_are_damaged) or \
test(cut_short_or_with_a_bit_flipped))"

PARTS = [
    Part("sim", "the production node over simulated network, disk and time", 20, 50, "seeds", simulated),
    Part("raft", "replicas in one process under random faults", 20, 10, "seeds",
         tests("package(symbi-raft) and test(under_random_faults)")),
    Part("histories", "random histories of the state, on three replicas", 20, 2_000, "histories", histories),
    Part("bundles", "audit bundles changed at random, 2,000 times in each of five ways a seed", 20, 10, "seeds",
         tests("package(symbi-audit) and test(/^mutated::/)")),
    Part("forgeries", "audit bundles forged and signed anew with keys that a forger may have, 1,000 a seed", 20, 5, "seeds",
         tests("package(symbi-audit) and test(/^forgeries::/)")),
    Part("frames", "sealed messages changed at random, 10,000 times a seed", 20, 10, "seeds",
         tests("package(symbi-proto) and test(ten_thousand_mutated_frames)")),
    Part("damage", "bundles, frames and requests damaged at random, given to real nodes", 20, 5, "seeds", tests(DAMAGE)),
    Part("kills", "real nodes killed, stopped and out of disk in the middle of work", 20, 1, "rounds", tests(KILLS), False),
    Part("job", "the main job, whole, with the leader, the coordinator's node or nothing killed", 6, 1, "runs", job, False),
    Part("million", "a million agents and five million audit records: starts, joins, a wiped node", 1, 1, "runs", million, False),
]


def git(*words, env=None):
    return subprocess.run(["git", "-C", ROOT, *words], check=True, stdout=subprocess.PIPE, env=env).stdout.decode().strip()


def sources():
    """What the files here are together, committed or not: the same name means the same files."""
    with tempfile.TemporaryDirectory() as folder:
        index = {**os.environ, "GIT_INDEX_FILE": os.path.join(folder, "index")}
        git("add", "--all", env=index)
        return git("write-tree", env=index)[:12]


def run(part, number, folder, is_new):
    """Runs a piece, unless it has passed before: whether it passes, how long it took, where its output is."""
    log = os.path.join(folder, f"{part.name}-{number}.log")
    passed = log.replace(".log", ".passed")
    if os.path.exists(passed) and not is_new:
        return True, 0, passed
    command, more = part.command(part, number)
    began = time.monotonic()
    with open(log, "wb") as file:
        ended = subprocess.run(command, cwd=ROOT, env={**os.environ, **more}, stdout=file, stderr=subprocess.STDOUT)
    if ended.returncode == 0:
        os.rename(log, passed)
        log = passed
    return ended.returncode == 0, time.monotonic() - began, log


def describe(part, number):
    if part.each == 1:
        return f"{part.unit[:-1]} {number + 1}"
    first, end = part.seeds(number)
    return f"{part.each} {part.unit} from {first}" if part.unit != "seeds" else f"seeds {first}..{end}"


def run_part(part, numbers, folder, is_new):
    """Runs pieces of a part, `is_new` also those that have passed before: those that failed."""
    print(f"\n== {part.name}: {part.what}", flush=True)
    failed, again, logs, began = [], 0, [], time.monotonic()
    for place, number in enumerate(numbers):
        passes, took, log = run(part, number, folder, is_new)
        logs.append(log)
        again += passes and took == 0
        if not passes:
            failed.append((part, number, log))
        if took or not passes:
            word = "passed" if passes else f"FAILED, see {log}"
            print(f"  {place + 1}/{len(numbers)}  {describe(part, number)}: {word} ({took:.0f} s)", flush=True)
    if part.command is simulated:
        show_counts(logs)
    good = (len(numbers) - len(failed)) * part.each
    before = f", {again} of {len(numbers)} pieces in an earlier run" if again else ""
    print(f"{part.name}: {good} of {len(numbers) * part.each} {part.unit} passed in {time.monotonic() - began:.0f} s{before}", flush=True)
    return failed


def show_counts(logs):
    """What a simulation counts, summed up over all pieces: a thing that never happened was not tested."""
    sums = collections.Counter()
    for log in logs:
        with open(log, encoding="utf-8", errors="replace") as file:
            text = file.read()
        for line in text.partition(" seeds, ")[2].splitlines()[1:]:
            if found := re.match(r" *(\d+) (\D.*)$", line):
                sums[found[2]] += int(found[1])
    for what, count in sums.items():
        print(f"  {count:>12,} {what}")
    never = [what for what, count in sums.items() if count == 0]
    print(f"  coverage: {len(sums) - len(never)} of {len(sums)} kinds of event have happened" + (
        f"; never: {', '.join(never)}" if never else ""))


def main():
    parser = argparse.ArgumentParser(prog="scripts/test.sh --deep", description=__doc__.split("\n\n", 1)[1])
    parser.add_argument("parts", nargs="*", metavar="PART", help="only these: " + ", ".join(part.name for part in PARTS))
    parser.add_argument("--slice", action="store_true", help="one piece of each part whose pieces are short, chosen by the commit's hash")
    options = parser.parse_args()
    known = {part.name for part in PARTS}
    if unknown := [name for name in options.parts if name not in known]:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(part.name for part in PARTS)}")
    commit = git("rev-parse", "HEAD")
    folder = os.path.join(TARGET, "deep", sources())
    os.makedirs(folder, exist_ok=True)
    print(f"the output of each piece is in {folder}")
    failed = []
    for part in PARTS:
        if options.parts and part.name not in options.parts or options.slice and not part.in_slices:
            continue
        numbers = [int(commit, 16) % part.pieces] if options.slice else range(part.pieces)
        failed += run_part(part, numbers, folder, options.slice)
    for part, number, log in failed:
        print(f"FAILED: {part.name}, {describe(part, number)}: {log}", file=sys.stderr)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        print("\ninterrupted; the same command runs what has not passed yet", file=sys.stderr)
        sys.exit(130)
