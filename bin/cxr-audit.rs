//! `cxr-audit`: see `cxr::stages::audit`.

fn main() -> std::process::ExitCode {
    cxr::stages::main::<cxr::stages::audit::AuditStage>()
}
