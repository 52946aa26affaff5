//! `cxr`: main program; see `cxr::commands`.

fn main() -> std::process::ExitCode {
    cxr::commands::main()
}
