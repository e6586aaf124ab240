"""Run a Python program as a symbi agent: reads messages, answers them, asks and tells others. Standard library only.

    from symbi_agent import Agent

    agent = Agent()

    def handle(message):                      # message.kind, .sender, .payload, .deadline_ms, .id
        return {"twice": message.payload * 2}

    agent.run(handle)

The protocol is in node/sandbox/PROTOCOL.md. Standard output belongs to it; prints to standard error are the agent's log.
"""

import json
import os
import queue
import sys
import threading

LINE = (1 << 20) + (4 << 10)
"""The longest line the node reads."""

ENDINGS = {
    -32001: "denied",
    -32002: "not_delivered",
    -32003: "deadline_exceeded",
    -32004: "outcome_unknown",
    -32005: "busy",
}
"""How an ask that has no answer ended, by JSON-RPC code."""


class AskError(Exception):
    """An ask without an answer. `ending` is one of ENDINGS, or "error"; `data` holds what belongs to it."""

    def __init__(self, code, message, data=None):
        super().__init__(message)
        self.code = code
        self.ending = ENDINGS.get(code, "error")
        self.data = data if isinstance(data, dict) else {}


class Message:
    """A message. For kind "ask" whatever the handler returns is the answer's payload."""

    def __init__(self, params):
        self.id = params["id"]
        self.kind = params["kind"]
        self.sender = params["from"]
        self.payload = params["payload"]
        self.deadline_ms = params.get("deadline_ms", 0)


class Agent:
    """The node, as an agent sees it. Every method may be called from any thread once `run` has been called.

    `max_in_flight` messages are handled at once, each on a thread; give the spec's `[program]` the same number.
    """

    def __init__(self, max_in_flight=1):
        self.name = os.environ.get("SYMBI_AGENT", "")
        self.epoch = 0
        self.incarnation = 0
        self._max_in_flight = max_in_flight
        self._writing = threading.Lock()
        self._asking = threading.Lock()
        self._asks = {}
        self._asked = 0
        self._ended = False
        self._calls = queue.Queue()

    def ask(self, to, payload, timeout_ms=30_000):
        """Asks another agent and returns its answer's payload. Raises AskError otherwise."""
        answer = queue.Queue(1)
        with self._asking:
            if self._ended:
                raise AskError(0, "this agent is shutting down")
            self._asked += 1
            number = self._asked
            self._asks[number] = answer
        try:
            self._send(id=number, method="ask", params={"to": to, "payload": payload, "timeout_ms": timeout_ms})
            line = answer.get()
        finally:
            with self._asking:
                self._asks.pop(number, None)
        if "error" in line:
            error = line["error"]
            raise AskError(error["code"], error["message"], error.get("data"))
        return line["result"]

    def tell(self, to, payload):
        """Tells another agent, without knowing whether it arrives."""
        self._send(method="tell", params={"to": to, "payload": payload})

    def log(self, text, level="info"):
        """Writes a line to the agent's log. `level` is debug, info, warn or error."""
        self._send(method="log", params={"level": level, "text": str(text)})

    def run(self, handle, start=None):
        """Serves until the end of input. `start()` is called, on a thread of its own, once the agent is initialized."""
        # By default a thread's stack counts with 8 MiB against the agent's memory.
        threading.stack_size(512 << 10)
        for number in range(self._max_in_flight):
            threading.Thread(target=self._work, args=(handle,), name=f"handler-{number}", daemon=True).start()
        for line in sys.stdin.buffer:
            if line.strip():
                self._take(json.loads(line), start)
        with self._asking:
            self._ended = True
            for answer in self._asks.values():
                answer.put({"error": {"code": 0, "message": "this agent is shutting down"}})
            self._asks.clear()

    def _take(self, line, start):
        if "method" not in line:
            with self._asking:
                answer = self._asks.pop(line["id"], None)
            if answer is not None:
                answer.put(line)
        elif line["method"] == "message":
            self._calls.put(line)
        elif line["method"] == "initialize":
            params = line["params"]
            self.name, self.epoch, self.incarnation = params["name"], params["epoch"], params["incarnation"]
            self._send(id=line["id"], result=None)
            if start is not None:
                threading.Thread(target=start, name="start", daemon=True).start()
        else:
            self._send(id=line["id"], error={"code": -32601, "message": "there is no method " + line["method"]})

    def _work(self, handle):
        while True:
            line = self._calls.get()
            try:
                self._send(id=line["id"], result=handle(Message(line["params"])))
            except Exception as error:  # Whatever a handler raises is its answer: the agent lives on.
                self._send(id=line["id"], error={"code": 1, "message": f"{type(error).__name__}: {error}"})

    def _send(self, **line):
        text = json.dumps({"jsonrpc": "2.0", **line}, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if len(text) > LINE + 1:
            raise ValueError(f"a line of {len(text)} bytes is too long: at most {LINE}")
        # Not through sys.stdout: its lock would be held by a thread that dies with the interpreter.
        with self._writing:
            while text:
                text = text[os.write(1, text):]
