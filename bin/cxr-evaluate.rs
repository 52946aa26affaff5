//! `cxr-evaluate`: runs `cxr evaluate`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("evaluate")
}
