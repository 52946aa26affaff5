//! `cxr-plot`: runs `cxr plot`.

mod launcher;

fn main() -> std::process::ExitCode {
    launcher::start("plot")
}
