//! `cxr-report`: see `cxr::stages::report`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::report::Report>()
}
