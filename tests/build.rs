//! Build script: tells the tests what this machine has, so that the others are reported as
//! ignored. Sets the cfg `shared` if `../shared` (real images, weights, reference arrays) is
//! there, and `chromium` if a browser is. After installing either: `touch tests/build.rs`.

#![allow(clippy::disallowed_macros, reason = "a build script prints its instructions")]

use std::path::Path;

fn main() {
    println!("cargo::rustc-check-cfg=cfg(shared, chromium)");
    println!("cargo::rerun-if-changed=tests/build.rs");
    println!("cargo::rerun-if-env-changed=CHROMIUM");
    let shared = Path::new("../shared/reference");
    if shared.is_dir() {
        println!("cargo::rerun-if-changed={}", shared.display());
        println!("cargo::rustc-cfg=shared");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    // As in `tests/browser/chromium.py`.
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    let is_installed = || {
        std::env::split_paths(&path)
            .any(|folder| names.iter().any(|name| folder.join(name).exists()))
    };
    if std::env::var_os("CHROMIUM").is_some() || is_installed() {
        println!("cargo::rustc-cfg=chromium");
    }
}
