//! `cxr-preprocess`: runs `cxr preprocess`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("preprocess")
}
