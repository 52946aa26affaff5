//! `cxr-train`: see `cxr::stages::train`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::train::Train>()
}
