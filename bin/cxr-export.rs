//! `cxr-export`: see `cxr::stages::export`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::export::Export>()
}
