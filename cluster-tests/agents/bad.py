"""Breaks the agent protocol in the way its argument says, after it has answered `initialize` as it should."""

import json
import sys

mode = sys.argv[1]
call = json.loads(sys.stdin.readline())
print(json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": None}), flush=True)
if mode == "garbage":
    sys.stdout.buffer.write(b"\xff\xfe this is no JSON at all\n")
elif mode == "long":
    sys.stdout.write('{"jsonrpc": "2.0", "method": "log", "params": {"text": "' + "x" * (2 << 20) + '"}}\n')
sys.stdout.flush()
if mode != "ends":
    for line in sys.stdin:
        pass
