#!/usr/bin/env python3
"""An agent that has other agents review a list of crates, and carries on where it stopped when it is started again.

It is started by a `tell`:

    {"packages": [{"name", "version", "path"?}, …], "reviewers": [agent, …], "report": path,
     "in_flight": 6, "timeout_ms": 30000}

The job is kept in the directory SYMBI_JOB_DIR, in a file named after the agent. The report has a JSON object a line, each
on the disk before the next step:

    {"started": {"epoch", "incarnation", "left"}}                  the coordinator begins, or goes on
    {"asked": "serde 1.0.2", "attempt": 1, "reviewer": "r-1"}      before an ask
    {"result": {…}, "package": "serde 1.0.2", "attempt": 1, "reviewer": "r-1"}
    {"failed": "serde 1.0.2", "attempt": 1, "reviewer": "r-1", "reason": "…", "ending": "not_delivered"}
    {"done": {"packages", "reviewed", "asked", "failed", "gave_up": [package, …]}}

An `asked` without an answer when a coordinator is started has failed, by the ending "abandoned", and is asked again: a
review may be done twice, so no ending of an ask is a reason not to.
"""

import json
import os
import sys
import threading
import time

from symbi_agent import Agent, AskError

ATTEMPTS = 60
"""After so many the package is given up. With the pauses that is about two minutes: a node's agents move in 15 s."""
PAUSE = 2.0
"""The longest pause in seconds before a reviewer that has failed is asked again."""


class Superseded(Exception):
    """A later start of this agent has taken the job over."""


def label(package):
    return f"{package['name']} {package['version']}"


def write_synced(path, text):
    """Replaces a file; it is there as a whole or not at all."""
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(path + ".new", path)
    directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


class Report:
    """The report's file. What its lines say is in the fields; a line is on the disk when `append` returns."""

    def __init__(self, path):
        self.results = {}  # package -> review
        self.attempts = {}  # package -> number of the last attempt
        self.open = {}  # package -> its asked line, while it has no answer
        self.asked = self.failed = 0
        self.done = None
        self._lock = threading.Lock()
        self._file = open(path, "a+b")
        self._file.seek(0)
        text = self._file.read()
        whole = text.rfind(b"\n") + 1
        for line in text[:whole].splitlines():
            self._note(json.loads(line))
        # A line that was torn by a power cut says nothing; what follows it must begin a line of its own.
        self._file.truncate(whole)

    def append(self, line):
        with self._lock:
            self._note(line)
            self._file.write(json.dumps(line).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def _note(self, line):
        if "asked" in line:
            self.attempts[line["asked"]] = line["attempt"]
            self.open[line["asked"]] = line
            self.asked += 1
        elif "result" in line:
            self.results[line["package"]] = line["result"]
            self.open.pop(line["package"], None)
        elif "failed" in line:
            self.open.pop(line["failed"], None)
            self.failed += 1
        elif "done" in line:
            self.done = line["done"]


class Reviewers:
    """Hands out the reviewer with the least to do, and lets those that failed rest."""

    def __init__(self, names):
        self._busy = {name: 0 for name in names}
        self._failures = {name: 0 for name in names}
        self._rested = {name: 0.0 for name in names}
        self._lock = threading.Lock()

    def take(self):
        while True:
            with self._lock:
                now = time.monotonic()
                ready = [name for name in self._busy if self._rested[name] <= now]
                if ready:
                    name = min(ready, key=lambda name: (self._busy[name], self._failures[name]))
                    self._busy[name] += 1
                    return name
                pause = min(self._rested.values()) - now
            time.sleep(max(pause, 0.01))

    def give_back(self, name, failed):
        with self._lock:
            self._busy[name] -= 1
            self._failures[name] = self._failures[name] + 1 if failed else 0
            if failed:
                self._rested[name] = time.monotonic() + min(PAUSE, 0.1 * 2 ** self._failures[name])


class Job:
    """One job, from its start or from where an earlier life of this agent stopped."""

    def __init__(self, agent, job, claim_path):
        self._agent = agent
        self._job = job
        self._claim_path = claim_path
        self._claim = [agent.epoch, agent.incarnation]
        self._todo = []
        self._gave_up = []
        self._lock = threading.Lock()

    def run(self):
        self._check_claim()
        write_synced(self._claim_path, json.dumps(self._claim))
        report = Report(self._job["report"])
        if report.done is not None:
            self._agent.log("this job is already done")
            return
        for package, asked in list(report.open.items()):
            reason = "the coordinator stopped before the answer came"
            known = {"attempt": asked["attempt"], "reviewer": asked["reviewer"]}
            report.append({"failed": package, **known, "reason": reason, "ending": "abandoned"})
        self._todo = [package for package in self._job["packages"] if label(package) not in report.results]
        self._todo.reverse()
        left = len(self._todo)
        report.append({"started": {"epoch": self._claim[0], "incarnation": self._claim[1], "left": left}})
        self._agent.log(f"{left} of {len(self._job['packages'])} packages to review")
        reviewers = Reviewers(self._job["reviewers"])
        workers = min(self._job.get("in_flight", 4), max(left, 1))
        threads = [threading.Thread(target=self._work, args=(report, reviewers), daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self._finish(report)

    def _finish(self, report):
        reviewed = sum(label(package) in report.results for package in self._job["packages"])
        if reviewed + len(self._gave_up) < len(self._job["packages"]):
            self._agent.log("stopped before all packages were reviewed", "warn")
            return
        counts = {"packages": len(self._job["packages"]), "reviewed": reviewed}
        report.append({"done": {**counts, "asked": report.asked, "failed": report.failed, "gave_up": self._gave_up}})
        self._agent.log(f"done: {reviewed} reviewed, {report.failed} asks failed and were repeated")

    def _work(self, report, reviewers):
        try:
            while True:
                with self._lock:
                    if not self._todo:
                        return
                    package = self._todo.pop()
                self._review(package, report, reviewers)
        except Superseded as later:
            self._agent.log(str(later), "warn")
        except Exception as error:
            self._agent.log(f"{type(error).__name__}: {error}", "error")
            raise

    def _review(self, package, report, reviewers):
        name = label(package)
        # Attempts of earlier lives have numbers of their own, and do not count against this one.
        first = report.attempts.get(name, 0) + 1
        for attempt in range(first, first + ATTEMPTS):
            reviewer = reviewers.take()
            self._append(report, {"asked": name, "attempt": attempt, "reviewer": reviewer})
            try:
                result = self._agent.ask(reviewer, package, self._job.get("timeout_ms", 30_000))
            except AskError as error:
                reviewers.give_back(reviewer, failed=True)
                known = {"attempt": attempt, "reviewer": reviewer}
                self._append(report, {"failed": name, **known, "reason": str(error), "ending": error.ending})
                continue
            reviewers.give_back(reviewer, failed=False)
            self._append(report, {"result": result, "package": name, "attempt": attempt, "reviewer": reviewer})
            return
        with self._lock:
            self._gave_up.append(name)

    def _append(self, report, line):
        """A start that has been superseded, and does not know it yet, must not write."""
        self._check_claim()
        report.append(line)

    def _check_claim(self):
        try:
            with open(self._claim_path, encoding="utf-8") as file:
                claim = json.load(file)
        except FileNotFoundError:
            return
        if claim > self._claim:
            raise Superseded(f"a later start has taken over: {claim}, this one is {self._claim}")


class Coordinator:
    """The agent: keeps the job where the next start finds it, and runs it."""

    def __init__(self, agent, directory):
        self._agent = agent
        self._directory = directory
        self._lock = threading.Lock()
        self._running = None
        self._current = None

    def _path(self, ending):
        return os.path.join(self._directory, self._agent.name + ending)

    def handle(self, message):
        job = message.payload
        for key in ("packages", "reviewers", "report"):
            if not job.get(key):
                raise ValueError(f"a job needs {key!r}")
        with self._lock:
            if self._running is not None and self._running.is_alive():
                if job != self._current:
                    raise RuntimeError("another job is running")
                return None
            write_synced(self._path(".job"), json.dumps(job))
            self._begin(job)
        return None

    def resume(self):
        """Goes on with the job of an earlier start, if there is one."""
        with self._lock:
            if self._running is not None or not os.path.exists(self._path(".job")):
                return
            with open(self._path(".job"), encoding="utf-8") as file:
                self._begin(json.load(file))

    def _begin(self, job):
        self._current = job
        self._running = threading.Thread(target=self._run, args=(job,), daemon=True)
        self._running.start()

    def _run(self, job):
        try:
            Job(self._agent, job, self._path(".claim")).run()
        except Superseded as later:
            self._agent.log(str(later), "warn")
        except Exception as error:
            self._agent.log(f"the job failed: {type(error).__name__}: {error}", "error")
            raise


def main():
    directory = os.environ.get("SYMBI_JOB_DIR", "")
    if not os.path.isdir(directory):
        sys.exit(f"SYMBI_JOB_DIR must name a directory, not {directory!r}")
    agent = Agent()
    coordinator = Coordinator(agent, directory)
    agent.run(coordinator.handle, start=coordinator.resume)


if __name__ == "__main__":
    main()
