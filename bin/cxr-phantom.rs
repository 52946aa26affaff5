//! `cxr-phantom`: see `cxr::stages::phantom`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::phantom::Phantom>()
}
