//! Results that are printed line by line, as soon as they are available.

use std::io::{self, BufWriter, IsTerminal, Write};

use super::ui::clean;
use super::{Failure, ResultExt};

/// Standard output of a command that prints each result at once. The command can stop when the
/// pipe is closed: see [`Stream::is_closed`].
pub struct Stream {
    out: BufWriter<Box<dyn Write>>,
    /// True for a terminal, whose text is cleaned; false for a file or pipe, which gets all bytes.
    terminal: bool,
    closed: bool,
}

impl Stream {
    /// Opens stdout.
    pub fn stdout() -> Self {
        let terminal = io::stdout().is_terminal();
        Self { terminal, ..Self::to(Box::new(io::stdout())) }
    }

    fn to(out: Box<dyn Write>) -> Self {
        Self { out: BufWriter::new(out), terminal: false, closed: false }
    }

    /// Writes and flushes lines, each ending in a line break.
    ///
    /// # Errors
    /// If the system cannot write; a closed pipe is not an error.
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

    /// Returns true if the pipe was closed by its reader.
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
    fn a_closed_pipe_is_not_an_error_but_a_full_disk_is() {
        let mut closed_pipe = Stream::to(Box::new(Pipe(io::ErrorKind::BrokenPipe)));
        closed_pipe.write("a line\n").unwrap();
        assert!(closed_pipe.is_closed());
        let mut full_disk = Stream::to(Box::new(Pipe(io::ErrorKind::StorageFull)));
        assert!(full_disk.write("a line\n").is_err());
        assert!(!full_disk.is_closed());
    }
}
