//! `cxr-extract`: see `cxr::stages::extract`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::extract::Extract>()
}
