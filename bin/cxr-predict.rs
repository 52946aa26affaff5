//! `cxr-predict`: see `cxr::stages::predict`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::predict::Predict>()
}
