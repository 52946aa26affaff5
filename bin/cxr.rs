//! `cxr`: main program; see `cxr::umbrella`.

fn main() -> std::process::ExitCode {
    cxr::umbrella::main()
}
