"""Answers what it is asked. Standard library only, no threads.

    {"echo": x}                          -> {"echo": x, "agent": its name, "epoch": its epoch, "pid": its process}
    {"sleep": seconds}                   -> null, after that time
    {"ask": agent, "payload": x}         -> {"result": …} or {"error": …}: how that agent's answer came
    {"make": n}                          -> a text of n bytes
    {"tell": agent, "payload": x}        -> null
    {"log": text}                        -> null, and the text is in the log
    {"told": null}                       -> every payload that came by tell
    {"env": key}                         -> the value of that variable, or null
    {"exit": code}                       ends
"""

import json
import os
import sys
import time

told = []
asked = 0
me = {}


def send(**line):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **line}) + "\n")
    sys.stdout.flush()


def ask(to, payload):
    global asked
    asked += 1
    send(id=asked, method="ask", params={"to": to, "payload": payload, "timeout_ms": 5000})
    for line in sys.stdin:
        answer = json.loads(line)
        if "method" not in answer and answer["id"] == asked:
            return {key: answer[key] for key in ("result", "error") if key in answer}
    sys.exit(0)


def handle(payload):
    if "sleep" in payload:
        time.sleep(payload["sleep"])
    elif "ask" in payload:
        return ask(payload["ask"], payload.get("payload"))
    elif "make" in payload:
        return "x" * payload["make"]
    elif "tell" in payload:
        send(method="tell", params={"to": payload["tell"], "payload": payload.get("payload")})
    elif "log" in payload:
        print(payload["log"], file=sys.stderr, flush=True)
    elif "told" in payload:
        return told
    elif "env" in payload:
        return os.environ.get(payload["env"])
    elif "exit" in payload:
        sys.exit(payload["exit"])
    else:
        return {"echo": payload.get("echo"), "agent": me["name"], "epoch": me["epoch"], "pid": os.getpid()}


for line in sys.stdin:
    call = json.loads(line)
    if call.get("method") == "initialize":
        me.update(call["params"])
        send(id=call["id"], result=None)
    elif call.get("method") == "message":
        payload = call["params"]["payload"]
        if call["params"]["kind"] == "tell":
            told.append(payload)
            send(id=call["id"], result=None)
        else:
            send(id=call["id"], result=handle(payload))
