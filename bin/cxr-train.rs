//! `cxr-train`: runs `cxr train`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("train")
}
