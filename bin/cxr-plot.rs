//! `cxr-plot`: see `cxr::stages::plot`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::plot::Plot>()
}
