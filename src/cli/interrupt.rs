//! Ctrl-C and SIGTERM: what is staged is removed, what is in place stays, and
//! the exit code is 130.

use std::sync::{Mutex, PoisonError};

use super::Kind;
use crate::io::staging;

type Action = Box<dyn FnMut() + Send>;

/// What to do instead of ending.
static INSTEAD: Mutex<Option<Action>> = Mutex::new(None);

/// Ends this process cleanly when it is told to stop.
pub(super) fn clean_up() {
    // Fails where a handler is set already: tests run several commands.
    let _ = ctrlc::set_handler(|| {
        if let Some(action) = INSTEAD.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            return action();
        }
        staging::abandon();
        #[expect(clippy::disallowed_methods, clippy::exit, reason = "the user wants it to end")]
        std::process::exit(Kind::Interrupted.code().into());
    });
}

/// Lets `action` decide what happens when this process is told to stop.
pub fn on_interrupt(action: impl FnMut() + Send + 'static) {
    *INSTEAD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(action));
}
