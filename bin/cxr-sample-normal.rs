//! `cxr-sample-normal`: see `cxr::stages::sample_normal`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::sample_normal::SampleNormal>()
}
