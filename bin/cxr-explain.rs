//! `cxr-explain`: see `cxr::stages::explain`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::explain::Explain>()
}
