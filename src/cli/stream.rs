//! Results that go to stdout line by line, as they come.

use std::io::{self, BufWriter, IsTerminal, Write};

use super::ui::clean;
use super::{Failure, ResultExt};

/// Standard output, for commands whose results need not wait for the last of them.
/// When nobody reads any more there is nothing left to do: see [`Stream::is_closed`].
pub struct Stream {
    out: BufWriter<Box<dyn Write>>,
    /// Whether a patient looks on, and not a program that needs every byte.
    terminal: bool,
    closed: bool,
}

impl Stream {
    /// To stdout.
    pub fn stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        Self { terminal, ..Self::to(Box::new(io::stdout())) }
    }

    fn to(out: Box<dyn Write>) -> Self {
        Self { out: BufWriter::new(out), terminal: false, closed: false }
    }

    /// Writes lines, each ending in a line break, and hands them on at once.
    ///
    /// # Errors
    ///
    /// What the system says, but for a closed pipe.
    pub fn write(&mut self, lines: &str) -> Result<(), Failure> {
        let lines = if self.terminal { &clean(lines) } else { lines };
        match self.out.write_all(lines.as_bytes()).and_then(|()| self.out.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other.context("cannot write to standard output"),
        }
    }

    /// Whether the reader has gone.
    pub fn is_closed(&self) -> bool {
        self.closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pipe(io::ErrorKind);

    impl Write for Pipe {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_the_end_and_a_full_disk_an_error() {
        let mut gone = Stream::to(Box::new(Pipe(io::ErrorKind::BrokenPipe)));
        gone.write("a line\n").unwrap();
        assert!(gone.is_closed());
        let mut full = Stream::to(Box::new(Pipe(io::ErrorKind::StorageFull)));
        assert!(full.write("a line\n").is_err());
        assert!(!full.is_closed());
    }
}
