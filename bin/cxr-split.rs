//! `cxr-split`: see `cxr::stages::split`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::split::Split>()
}
