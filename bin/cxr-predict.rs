//! `cxr-predict`: runs `cxr predict`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("predict")
}
