"""The demo's agents as processes, with a node of a few lines between them."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import unittest

AGENTS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Process:
    """An agent's process. `route(to, payload)` returns a JSON-RPC answer to its asks, without jsonrpc and id."""

    def __init__(self, program, name, incarnation=1, route=None, **env):
        command = [sys.executable, "-B", os.path.join(AGENTS, program)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **env})
        self._route = route
        self._answers = {}
        self._arrived = threading.Condition()
        self._writing = threading.Lock()
        self._number = 0
        self.log = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.call("initialize", {"name": name, "epoch": 1, "incarnation": incarnation})

    def call(self, method, params):
        with self._arrived:
            self._number += 1
            number = self._number
        self._write({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        with self._arrived:
            self._arrived.wait_for(lambda: number in self._answers, timeout=20)
            return self._answers.pop(number)

    def message(self, payload, kind="ask"):
        return self.call("message", {"id": "m", "kind": kind, "from": "test", "deadline_ms": 0, "payload": payload})

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=20)
        self._reader.join()
        self.process.stdout.close()
        return code

    def kill(self):
        self.process.kill()
        if not self.process.stdin.closed:
            self.end()

    def _write(self, line):
        with self._writing:
            self.process.stdin.write(json.dumps(line).encode() + b"\n")
            self.process.stdin.flush()

    def _read(self):
        for text in self.process.stdout:
            line = json.loads(text)
            if "method" not in line:
                with self._arrived:
                    self._answers[line["id"]] = line
                    self._arrived.notify_all()
            elif line["method"] == "ask":
                threading.Thread(target=self._ask, args=(line,), daemon=True).start()
            else:
                self.log.append(line["params"])

    def _ask(self, line):
        answer = self._route(line["params"]["to"], line["params"]["payload"])
        if answer is not None:
            self._write({"jsonrpc": "2.0", "id": line["id"], **answer})


class Agents(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = directory.name
        self.report = os.path.join(self.path, "report.jsonl")

    def crate(self, name):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.join(path, "src"))
        with open(os.path.join(path, "Cargo.toml"), "w", encoding="utf-8") as file:
            file.write(f'[package]\nname = "{name}"\nversion = "1.0.0"\nlicense = "MIT"\n')
        with open(os.path.join(path, "src", "lib.rs"), "w", encoding="utf-8") as file:
            file.write("unsafe fn f() {}\n")
        return {"name": name, "version": "1.0.0", "path": path}

    def lines(self):
        if not os.path.exists(self.report):
            return []
        with open(self.report, "rb") as file:
            return [json.loads(line) for line in file if line.endswith(b"\n")]

    def wait_for(self, condition):
        end = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), end, self.lines()[-3:])
            time.sleep(0.01)

    def coordinator(self, route, incarnation=1):
        coordinator = Process("coordinator.py", "c", incarnation, route, SYMBI_JOB_DIR=self.path)
        self.addCleanup(coordinator.kill)
        return coordinator

    def job(self, count, in_flight):
        packages = [{"name": f"p{number}", "version": "1.0.0"} for number in range(count)]
        return {"packages": packages, "reviewers": ["r1", "r2"], "report": self.report, "in_flight": in_flight}

    def test_a_reviewer_reviews_and_lives_on_after_an_error(self):
        reviewer = Process("reviewer.py", "r1")
        crate = self.crate("a")
        for _ in range(2):
            answer = reviewer.message(crate)["result"]
            self.assertEqual((answer["name"], answer["licence"], answer["unsafe"], answer["files"]), ("a", "MIT", 1, 2))
            self.assertIn("version is 1.0.0", reviewer.message({**crate, "version": "2.0.0"})["error"]["message"])
            self.assertIn("KeyError", reviewer.message({})["error"]["message"])
        self.assertEqual(reviewer.end(), 0)

    def test_a_job_runs_to_its_end_past_failing_reviewers(self):
        failures = iter(range(3))

        def route(to, payload):
            if to == "r1" and next(failures, None) is not None:
                data = {"ending": "not_delivered", "reason": "gone"}
                return {"error": {"code": -32002, "message": "not delivered: gone", "data": data}}
            return {"result": {"name": payload["name"]}}

        coordinator = self.coordinator(route)
        self.assertIsNone(coordinator.message(self.job(20, 4), "tell")["result"])
        self.wait_for(lambda: self.lines() and "done" in self.lines()[-1])
        lines = self.lines()
        done = lines[-1]["done"]
        self.assertEqual((done["packages"], done["reviewed"], done["gave_up"]), (20, 20, []))
        self.assertEqual(done["asked"], 20 + done["failed"])
        self.assertGreaterEqual(done["failed"], 1)
        failed = [line for line in lines if "failed" in line]
        self.assertTrue(all(line["ending"] == "not_delivered" and line["reviewer"] == "r1" for line in failed))
        again = [line["attempt"] for line in lines if line.get("asked") == failed[0]["failed"]]
        self.assertEqual(again, list(range(1, len(again) + 1)))
        self.assertEqual(coordinator.end(), 0)

    def test_no_more_than_the_bound_is_in_flight(self):
        flying, most, lock = [0], [0], threading.Lock()

        def route(_, payload):
            with lock:
                flying[0] += 1
                most[0] = max(most[0], flying[0])
            time.sleep(0.005)
            with lock:
                flying[0] -= 1
            return {"result": payload}

        self.coordinator(route).message(self.job(30, 3), "tell")
        self.wait_for(lambda: self.lines() and "done" in self.lines()[-1])
        self.assertEqual(most[0], 3)

    def test_a_killed_coordinator_goes_on_and_asks_again_what_was_open(self):
        def route(_, payload):
            return {"result": payload} if int(payload["name"][1:]) < 10 else None

        first = self.coordinator(route)
        first.message(self.job(20, 2), "tell")
        self.wait_for(lambda: sum("asked" in line for line in self.lines()) == 12)
        first.kill()
        with open(self.report, "ab") as file:
            file.write(b'{"result": {"na')  # A line torn by a power cut.

        second = self.coordinator(lambda _, payload: {"result": payload}, incarnation=2)
        self.wait_for(lambda: self.lines() and "done" in self.lines()[-1])
        lines = self.lines()
        abandoned = {line["failed"]: line["ending"] for line in lines if "failed" in line}
        self.assertEqual(abandoned, {"p10 1.0.0": "abandoned", "p11 1.0.0": "abandoned"})
        self.assertEqual([line["attempt"] for line in lines if line.get("asked") == "p10 1.0.0"], [1, 2])
        self.assertEqual([line["started"]["left"] for line in lines if "started" in line], [20, 10])
        results = [line["package"] for line in lines if "result" in line]
        self.assertEqual(sorted(results), sorted(f"p{number} 1.0.0" for number in range(20)), "each once")
        self.assertEqual(second.end(), 0)

    def test_a_superseded_start_stops(self):
        held = threading.Event()

        def slow(_, payload):
            held.wait(10)
            return {"result": payload}

        first = self.coordinator(slow)
        first.message(self.job(8, 2), "tell")
        self.wait_for(lambda: sum("asked" in line for line in self.lines()) == 2)
        self.coordinator(lambda _, payload: {"result": payload}, incarnation=2)
        self.wait_for(lambda: self.lines() and "done" in self.lines()[-1])
        before = self.lines()
        held.set()
        self.wait_for(lambda: sum("taken over" in line["text"] for line in first.log) == 2)
        self.assertEqual(self.lines(), before)

    def test_it_says_that_its_directory_is_missing(self):
        command = [sys.executable, "-B", os.path.join(AGENTS, "coordinator.py")]
        ended = subprocess.run(command, env={}, capture_output=True, check=False, timeout=20)
        self.assertEqual(ended.returncode, 1)
        self.assertIn(b"SYMBI_JOB_DIR must name a directory", ended.stderr)

    def test_a_job_that_is_none_is_refused(self):
        coordinator = self.coordinator(None)
        self.assertIn("needs 'packages'", coordinator.message({}, "tell")["error"]["message"])
        self.assertEqual(coordinator.end(), 0)


if __name__ == "__main__":
    unittest.main()
