//! `cxr-fetch`: see `cxr::stages::fetch`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::fetch::Fetch>()
}
