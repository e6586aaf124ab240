#!/usr/bin/env python3
"""An agent that reviews one crate per message: {"name", "version", "path"?} in, what crate_review.review says out.

Without "path" it looks for the sources in cargo's registry.
"""

from crate_review import find, review
from symbi_agent import Agent


def handle(message):
    wanted = message.payload
    seen = review(wanted.get("path") or find(wanted["name"], wanted["version"]))
    for key in ("name", "version"):
        if seen[key] != wanted[key]:
            raise ValueError(f"{key} is {seen[key]}, not {wanted[key]}")
    return seen


if __name__ == "__main__":
    Agent().run(handle)
