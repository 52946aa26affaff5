//! `cxr`: see `cxr::umbrella`.

fn main() -> std::process::ExitCode {
    cxr::umbrella::main()
}
