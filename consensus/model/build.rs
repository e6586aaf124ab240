//! Sets `cfg(planted)` in debug builds: only there can a test plant one of the defects of `planted.rs`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(planted)");
    if std::env::var("PROFILE").as_deref() == Ok("debug") {
        println!("cargo:rustc-cfg=planted");
    }
}
