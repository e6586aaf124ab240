#!/usr/bin/env python3
"""What the demo asks of packages and reports: which packages there are, how far a report is, whether it is right.

    demo_report.py packages DIR [LIMIT]           the registry packages of DIR's Cargo.lock, as JSON, with their sources
    demo_report.py follow REPORT TOTAL UNTIL      a line of progress as it comes, until UNTIL are reviewed or all is done
    demo_report.py check REPORT PACKAGES FAILED   compares with a plain pass and with cargo's metadata; exit 1 if not equal
    demo_report.py top REPORT                     the ten crates with the most uses of `unsafe`
"""

import json
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "agents"))
from crate_review import review

LIMIT_S = 900
"""No job takes longer, on any machine that could build the program."""


def packages(directory, limit):
    command = ["cargo", "metadata", "--locked", "--format-version", "1"]
    metadata = json.loads(subprocess.run(command, cwd=directory, check=True, stdout=subprocess.PIPE).stdout)
    registry = [package for package in metadata["packages"] if (package["source"] or "").startswith("registry+")]
    registry.sort(key=lambda package: (package["name"], package["version"]))
    if limit and len(registry) > limit:
        # The largest, so that a short job still takes long enough to be interrupted.
        registry = sorted(registry, key=lambda package: -size(os.path.dirname(package["manifest_path"])))[:limit]
    wanted = [
        {
            "name": package["name"],
            "version": package["version"],
            "path": os.path.dirname(package["manifest_path"]),
            "expected": {
                "licence": package["license"],
                "build_script": any("custom-build" in target["kind"] for target in package["targets"]),
                "proc_macro": any("proc-macro" in target["kind"] for target in package["targets"]),
            },
        }
        for package in registry
    ]
    json.dump(wanted, sys.stdout)


def size(directory):
    """Bytes of the Rust files under a directory."""
    files = (os.path.join(at, name) for at, _, names in os.walk(directory) for name in names if name.endswith(".rs"))
    return sum(os.path.getsize(file) for file in files)


def lines(path):
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except FileNotFoundError:
        return []
    # A line that a killed coordinator had half written is not there yet.
    found = []
    for line in text.split("\n"):
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def follow(path, total, until):
    """Ends with "half" on standard output when `until` packages are reviewed, with "done" at the report's end."""
    began = time.monotonic()
    said = None
    while time.monotonic() - began < LIMIT_S:
        seen = lines(path)
        results = len({line["package"] for line in seen if "result" in line})
        failed = sum(1 for line in seen if "failed" in line)
        if (results, failed) != said and (sys.stderr.isatty() or said is None or results - said[0] >= total // 10):
            said = (results, failed)
            end = "\r" if sys.stderr.isatty() else "\n"
            print(f"{results} of {total} packages reviewed, {failed} asks failed ", end=end, file=sys.stderr, flush=True)
        if any("done" in line for line in seen):
            print("done")
            return
        if until and results >= until:
            print("half")
            return
        time.sleep(0.02)
    sys.exit(f"the job was not done after {LIMIT_S} s")


def check(path, packages_path, need_failure):
    with open(packages_path, encoding="utf-8") as file:
        wanted = json.load(file)
    seen = lines(path)
    results = {line["package"]: line["result"] for line in seen if "result" in line}
    wrong = []
    for package in wanted:
        label = f"{package['name']} {package['version']}"
        found = results.pop(label, None)
        if found is None:
            wrong.append(f"{label} is not in the report")
            continue
        plain = review(package["path"])
        if plain != found:
            wrong.append(f"{label}: the report says {found}, a plain pass {plain}")
        for key, value in package["expected"].items():
            if key == "licence" and not value:
                continue  # cargo knows no name for a licence file
            if found[key] != value:
                wrong.append(f"{label}: {key} is {found[key]}, cargo says {value}")
    wrong += [f"{label} was not asked for" for label in results]
    failed = [line for line in seen if "failed" in line]
    again = {line["failed"] for line in failed} & {line["package"] for line in seen if "result" in line}
    if need_failure and not again:
        wrong.append("no ask failed and was repeated: the kill interrupted nothing")
    for line in wrong[:20]:
        print("WRONG:", line, file=sys.stderr)
    if wrong:
        sys.exit(1)
    print(f"{len(wanted)} of {len(wanted)} packages match a single-process pass and cargo's metadata; "
          f"{len(failed)} asks failed, {len(again)} packages were asked for again")


def top(path):
    results = {line["package"]: line["result"] for line in lines(path) if "result" in line}
    rows = sorted(results.values(), key=lambda row: (-row["unsafe"], row["name"]))[:10]
    print(f"{'CRATE':32} {'LICENCE':28} {'FILES':>6} {'RUST LINES':>11} {'UNSAFE':>7}")
    for row in rows:
        name = f"{row['name']} {row['version']}"
        print(f"{name:32.32} {str(row['licence']):28.28} {row['files']:>6} {row['rust_lines']:>11} {row['unsafe']:>7}")


def main():
    verb, arguments = sys.argv[1], sys.argv[2:]
    if verb == "packages":
        packages(arguments[0], int(arguments[1]) if len(arguments) > 1 else 0)
    elif verb == "follow":
        follow(arguments[0], int(arguments[1]), int(arguments[2]))
    elif verb == "check":
        check(arguments[0], arguments[1], arguments[2] == "yes")
    elif verb == "top":
        top(arguments[0])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
