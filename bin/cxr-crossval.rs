//! `cxr-crossval`: see `cxr::stages::crossval`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::crossval::Crossval>()
}
