//! `cxr-evaluate`: see `cxr::stages::evaluate`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::evaluate::Evaluate>()
}
