//! `cxr-link`: see `cxr::stages::link`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::link::LinkFilms>()
}
