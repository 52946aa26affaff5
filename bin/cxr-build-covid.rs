//! `cxr-build-covid`: see `cxr::stages::build_covid`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::build_covid::BuildCovid>()
}
