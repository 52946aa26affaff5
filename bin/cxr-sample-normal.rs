//! `cxr-sample-normal`: runs `cxr sample-normal`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("sample-normal")
}
