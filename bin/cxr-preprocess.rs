//! `cxr-preprocess`: see `cxr::stages::preprocess`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::preprocess::Preprocess>()
}
