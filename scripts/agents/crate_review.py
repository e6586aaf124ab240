"""What a reviewer says of a crate: used by reviewer.py, and by the demo's pass that compares.

`unsafe` is counted as a keyword: every word `unsafe` in a .rs file that is not in a comment or a string. So `unsafe fn`,
`unsafe impl`, `unsafe { … }` and `#[unsafe(…)]` count one each, and `unsafe_code` and `r#unsafe` do not. Code in macros
counts where it is written, code that is generated does not.
"""

import os
import re

try:
    import tomllib
except ImportError:  # Python before 3.11.
    tomllib = None

# What can hide the word, or is it. A quote that opens neither a character nor a string is a lifetime's.
_TOKEN = re.compile(
    rb"""//[^\n]*
       | /\*
       | "
       | '(?:[^\\'\n\x80-\xff]|[\x80-\xff]{2,4}|\\.[^'\n]*)'
       | \bunsafe\b""",
    re.VERBOSE,
)
_COMMENT_EDGE = re.compile(rb"/\*|\*/")
_STRING_REST = re.compile(rb'[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_RAW_START = re.compile(rb"(?:^|[^0-9A-Za-z_])[bc]?r(#*)$")


def count_unsafe(source):
    """Uses of the keyword `unsafe` in the bytes of a Rust file."""
    if b"unsafe" not in source:
        return 0
    count = 0
    position = 0
    while True:
        token = _TOKEN.search(source, position)
        if token is None:
            return count
        position = token.end()
        first = token.group()[:2]
        if first == b"un":
            start = token.start()
            count += source[max(0, start - 2):start] != b"r#"
        elif first == b"/*":
            position = _end_of_comment(source, position)
        elif first == b'"':
            position = _end_of_string(source, position)


def _end_of_comment(source, position):
    """Block comments nest."""
    depth = 1
    while depth:
        edge = _COMMENT_EDGE.search(source, position)
        if edge is None:
            return len(source)
        depth += 1 if edge.group() == b"/*" else -1
        position = edge.end()
    return position


def _end_of_string(source, position):
    """A raw string ends at a quote with as many '#' as it began with, any other one at a quote without a backslash."""
    quote = position - 1
    raw = _RAW_START.search(source[max(0, quote - 260):quote])
    if raw is not None:
        end = source.find(b'"' + raw.group(1), position)
        return len(source) if end < 0 else end + 1 + len(raw.group(1))
    rest = _STRING_REST.match(source, position)
    return len(source) if rest is None else rest.end()


def review(path):
    """Reviews the crate whose sources lie in the directory `path`."""
    files = rust_lines = unsafe = 0
    for directory, _, names in os.walk(path):
        for name in names:
            # Cargo puts this one there when it has unpacked the crate.
            if name == ".cargo-ok":
                continue
            files += 1
            if name.endswith(".rs"):
                with open(os.path.join(directory, name), "rb") as file:
                    source = file.read()
                rust_lines += source.count(b"\n") + (not source.endswith(b"\n") and source != b"")
                unsafe += count_unsafe(source)
    return {**_facts(path), "files": files, "rust_lines": rust_lines, "unsafe": unsafe}


def find(name, version):
    """The directory of a crate's sources in cargo's registry."""
    home = os.environ.get("CARGO_HOME") or os.path.join(os.path.expanduser("~"), ".cargo")
    registries = os.path.join(home, "registry", "src")
    for registry in sorted(os.listdir(registries)):
        path = os.path.join(registries, registry, f"{name}-{version}")
        if os.path.isdir(path):
            return path
    raise FileNotFoundError(f"{name} {version} is not in {registries}: cargo fetch --locked")


def _facts(path):
    """What the manifest says. Published manifests are normalised: nothing in them is inherited from a workspace."""
    with open(os.path.join(path, "Cargo.toml"), "rb") as file:
        manifest = parse_manifest(file.read().decode())
    package = manifest["package"]
    library = manifest.get("lib", {})
    licence = package.get("license")
    if licence is None and "license-file" in package:
        licence = "file " + package["license-file"]
    build = package.get("build")
    if build is None:
        build = os.path.isfile(os.path.join(path, "build.rs"))
    proc_macro = library.get("proc-macro", library.get("proc_macro")) or "proc-macro" in library.get("crate-type", [])
    return {
        "name": package["name"],
        "version": package["version"],
        "licence": licence or "none stated",
        "build_script": bool(build),
        "proc_macro": bool(proc_macro),
    }


def parse_manifest(text):
    """The tables of a Cargo.toml; without tomllib, of `package` and `lib` what this module asks for."""
    return tomllib.loads(text) if tomllib is not None else parse_manifest_simply(text)


_HEADER = re.compile(r"^\[+\s*([^\]]+?)\s*\]+\s*(?:#.*)?$")
_PAIR = re.compile(r"""^(?:"([^"]+)"|([A-Za-z0-9_-]+))\s*=\s*(.*)$""")
_SCALAR = re.compile(r"""^(?:"((?:[^"\\]|\\.)*)"|'([^']*)'|(true|false)|(\[[^\]]*\]))\s*(?:#.*)?$""")


def parse_manifest_simply(text):
    """Texts of one line, truths and arrays of texts in the tables of a Cargo.toml; anything else is left out."""
    tables, table, until, array = {}, {}, None, ""
    for line in text.splitlines():
        line = array + line.strip()
        if until is not None:
            until = None if until in line else until
            continue
        array = line if array and "]" not in line else ""
        if array:
            continue
        header = _HEADER.match(line)
        if header:
            table = tables.setdefault(header.group(1), {})
            continue
        pair = _PAIR.match(line)
        if pair is None:
            continue
        value = pair.group(3)
        quotes = value[:3]
        if quotes in ('"""', "'''"):
            until = None if quotes in value[3:] else quotes
            continue
        scalar = _SCALAR.match(value)
        if scalar:
            table[pair.group(1) or pair.group(2)] = _value(scalar)
        elif value.startswith("[") and "]" not in value:
            array = line
    return tables


def _value(scalar):
    basic, literal, truth, array = scalar.groups()
    if basic is not None:
        return re.sub(r'\\(["\\])', r"\1", basic)
    if literal is not None:
        return literal
    if truth is not None:
        return truth == "true"
    return [one or other for one, other in re.findall(r"""\"([^"]*)\"|'([^']*)'""", array)]
