//! Handler of Ctrl-C and SIGTERM: removes staged files, keeps published files, and exits with
//! code 130.

use std::sync::{Mutex, PoisonError};

use super::Kind;
use crate::io::staging;

type Action = Box<dyn FnMut() + Send>;

/// Action to run instead of exiting.
static INSTEAD: Mutex<Option<Action>> = Mutex::new(None);

/// Installs the handler.
pub(super) fn clean_up() {
    // Fails if a handler is installed already: tests run several commands.
    let _ = ctrlc::set_handler(|| {
        if let Some(action) = INSTEAD.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            return action();
        }
        staging::abandon();
        #[expect(
            clippy::disallowed_methods,
            clippy::exit,
            reason = "the user interrupted the command"
        )]
        std::process::exit(Kind::Interrupted.code().into());
    });
}

/// Runs `action` instead of exiting on Ctrl-C and SIGTERM.
pub fn on_interrupt(action: impl FnMut() + Send + 'static) {
    *INSTEAD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(action));
}
