"""What a review counts."""

import os
import tempfile
import unittest

import crate_review
from crate_review import count_unsafe, parse_manifest, parse_manifest_simply, review

HIDDEN = r'''
// unsafe in a comment
/// unsafe in documentation: `unsafe { }`
/* unsafe /* nested unsafe */ still unsafe */
/** unsafe */
const A: &str = "unsafe \" unsafe \\";
const B: &str = r"unsafe \";
const C: &str = r#"unsafe " unsafe"#;
const D: &str = br##"unsafe "# unsafe"##;
const E: &[u8] = b"unsafe";
const F: &CStr = c"unsafe";
const G: &str = "two
lines of unsafe \
and a third unsafe";
#![forbid(unsafe_code)]
fn not_unsafe(r#unsafe: bool) -> bool { r#unsafe }
'''

SHOWN = r'''
unsafe fn one() {}
unsafe impl Send for Two {}
fn three<'a>(x: &'a str) -> char { unsafe { x.get_unchecked(0) }; '"' }
#[unsafe(no_mangle)] fn four() { let quote = '\''; let byte = b'"'; let tab = '\u{22}'; }
extern "C" { unsafe fn five(); }
fn six<'unsafe_>() { let _ = ('a', 'ä', '/', '*'); /**/unsafe/**/{} }
macro_rules! seven { ($x:expr) => { unsafe { $x } } }
const R: &str = foo!(r"", "\\"); unsafe trait Eight {}
// "
unsafe extern "C" fn nine() {}
/* " */ unsafe auto trait Ten {}
'''


class Counting(unittest.TestCase):
    def test_comments_strings_and_other_words_do_not_count(self):
        self.assertEqual(count_unsafe(HIDDEN.encode()), 0)

    def test_every_use_counts(self):
        self.assertEqual(count_unsafe(SHOWN.encode()), 10)
        self.assertEqual(count_unsafe((HIDDEN + SHOWN + HIDDEN + SHOWN).encode()), 20)

    def test_what_does_not_end_hides_the_rest(self):
        for opening in ("/* ", '"', 'r#"', "/* /* */ "):
            self.assertEqual(count_unsafe(f"unsafe {{}} {opening} unsafe".encode()), 1, opening)
        self.assertEqual(count_unsafe(b"\xff\xfe unsafe \x00"), 1)


MANIFEST = """
[package] # comment
name = "a-b"
version = "1.2.3-rc.1+meta"
build = false
description = '''
[lib]
proc-macro = true
'''
keywords = [
    "x",
    "y",
]
license-file = "LICENSE.txt"
[package.metadata.docs.rs]
all-features = true
[lib]
proc-macro = true
crate-type = ["lib"]
[dependencies.serde]
version = "1"
"""


class Reviewing(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = directory.name

    def write(self, name, text):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def test_a_crate(self):
        self.write("Cargo.toml", MANIFEST)
        self.write(".cargo-ok", "")
        self.write("build.rs", "")
        self.write("README.md", "unsafe\nunsafe\n")
        self.write("src/lib.rs", "unsafe fn f() {}\nfn g() {}")
        self.write("src/deep/er.rs", "//\n\n")
        expected = {"name": "a-b", "version": "1.2.3-rc.1+meta", "licence": "file LICENSE.txt", "build_script": False,
                    "proc_macro": True, "files": 5, "rust_lines": 4, "unsafe": 1}
        self.assertEqual(review(self.path), expected)

    def test_a_build_script_is_found_without_being_named(self):
        self.write("Cargo.toml", '[package]\nname = "a"\nversion = "1.0.0"\nlicense = "MIT"\n')
        self.assertEqual((review(self.path)["build_script"], review(self.path)["licence"]), (False, "MIT"))
        self.write("build.rs", "")
        self.assertTrue(review(self.path)["build_script"])

    def test_the_parser_for_old_pythons_reads_what_is_asked(self):
        simply = parse_manifest_simply(MANIFEST)
        self.assertEqual(simply["package"]["keywords"], ["x", "y"])
        if crate_review.tomllib is None:
            return
        fully = parse_manifest(MANIFEST)
        for table, key in (("package", "name"), ("package", "version"), ("package", "build"), ("package", "license-file"),
                           ("lib", "proc-macro"), ("lib", "crate-type")):
            self.assertEqual(simply[table][key], fully[table][key])


if __name__ == "__main__":
    unittest.main()
