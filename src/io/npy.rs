//! NumPy's `.npy` format, written and read by rows, for arrays larger than memory. Format: NEP
//! 1, version 1.0, C order, little-endian.
//!
//! Arrays that fit in memory use `ndarray-npy`.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::marker::PhantomData;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::atomic::{FileError, at};
use super::bounded::no_memory;

/// Element type of `.npy` files.
pub trait Element: bytemuck::Pod {
    /// NumPy's name of the type.
    const DESCR: &'static str;
}

impl Element for u8 {
    const DESCR: &'static str = "|u1";
}

impl Element for f32 {
    const DESCR: &'static str = "<f4";
}

/// Reason why a `.npy` file cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum NpyError {
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The content is invalid or not supported.
    #[error("`{}` is not a usable .npy file: {reason}", path.display())]
    Malformed {
        /// Path of the file.
        path: PathBuf,
        /// Problem.
        reason: String,
    },
}

/// Size in bytes of the padded header, which is overwritten when the number of rows is known.
const HEADER: usize = 128;

/// Writer of a `.npy` file of shape `[rows, ..row]`.
#[derive(Debug)]
pub struct Writer<T> {
    out: io::BufWriter<File>,
    path: PathBuf,
    row: Vec<usize>,
    rows: usize,
    element: PhantomData<T>,
}

impl<T: Element> Writer<T> {
    /// Creates the file `path` in a staging folder; the file is incomplete before
    /// [`Writer::finish`].
    ///
    /// # Errors
    /// If the file cannot be created.
    #[expect(clippy::disallowed_methods, reason = "the caller stages the file")]
    pub fn create(path: &Path, row: &[usize]) -> Result<Self, NpyError> {
        let mut out = io::BufWriter::new(at("create", path, File::create(path))?);
        at("write", path, out.write_all(&[0; HEADER]))?;
        Ok(Self { out, path: path.to_owned(), row: row.to_vec(), rows: 0, element: PhantomData })
    }

    /// Appends rows.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    ///
    /// If the length of `values` is not a multiple of the row length.
    pub fn push(&mut self, values: &[T]) -> Result<(), NpyError> {
        let size: usize = self.row.iter().product();
        assert_eq!(values.len() % size, 0, "rows of {size} values");
        at("write", &self.path, self.out.write_all(bytemuck::cast_slice(values)))?;
        self.rows += values.len() / size;
        Ok(())
    }

    /// Writes the header and returns the number of rows.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn finish(mut self) -> Result<usize, NpyError> {
        let header = header(T::DESCR, self.rows, &self.row);
        let done = self.out.seek(SeekFrom::Start(0));
        let done = done.and_then(|_| self.out.write_all(&header)).and_then(|()| self.out.flush());
        at("write", &self.path, done)?;
        Ok(self.rows)
    }
}

fn header(descr: &str, rows: usize, row: &[usize]) -> [u8; HEADER] {
    let mut shape = format!("{rows},");
    for n in row {
        shape += &format!(" {n},");
    }
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let mut bytes = [b' '; HEADER];
    bytes[..8].copy_from_slice(b"\x93NUMPY\x01\x00");
    bytes[8..10].copy_from_slice(&(HEADER as u16 - 10).to_le_bytes());
    bytes[10..10 + dict.len()].copy_from_slice(dict.as_bytes());
    bytes[HEADER - 1] = b'\n';
    bytes
}

/// Reader of single rows of a `.npy` file.
#[derive(Debug)]
pub struct Reader<T> {
    file: File,
    path: PathBuf,
    start: u64,
    shape: Vec<usize>,
    element: PhantomData<T>,
}

impl<T: Element> Reader<T> {
    /// Opens `path` and checks the type, the row shape `row` (`None` for any size) and the file
    /// size.
    ///
    /// # Errors
    /// If the file cannot be read or does not match.
    pub fn open(path: &Path, row: &[Option<usize>]) -> Result<Self, NpyError> {
        let malformed = |reason: String| NpyError::Malformed { path: path.to_owned(), reason };
        let mut file = at("read", path, File::open(path))?;
        let mut prefix = [0; 10];
        file.read_exact(&mut prefix).map_err(|_| malformed("the file is too short".into()))?;
        if &prefix[..6] != b"\x93NUMPY" || prefix[6] != 1 {
            return Err(malformed("the start is not that of a version 1 .npy file".into()));
        }
        let length = u16::from_le_bytes([prefix[8], prefix[9]]);
        let mut text = vec![0; length.into()];
        file.read_exact(&mut text).map_err(|_| malformed("the header is truncated".into()))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let (descr, shape) =
            parse(&text).ok_or_else(|| malformed(format!("the header is invalid: `{text}`")))?;
        if descr != T::DESCR {
            return Err(malformed(format!("the type is {descr}, expected {}", T::DESCR)));
        }
        let matches_row = shape.len() == row.len() + 1
            && row.iter().zip(&shape[1..]).all(|(want, got)| want.is_none_or(|w| w == *got));
        if !matches_row {
            return Err(malformed(format!("the shape is {shape:?}, expected rows of {row:?}")));
        }
        let start = 10 + u64::from(length);
        // The rows are not counted yet: also without rows the sizes must not overflow.
        let row =
            shape[1..].iter().try_fold(size_of::<T>() as u64, |a, n| a.checked_mul(*n as u64));
        let size = row.and_then(|row| row.checked_mul(shape[0] as u64));
        let got = at("read", path, file.metadata())?.len();
        if size.and_then(|s| s.checked_add(start)) != Some(got) {
            return Err(malformed(format!(
                "the shape {shape:?} does not match the file size of {got} bytes"
            )));
        }
        Ok(Self { file, path: path.to_owned(), start, shape, element: PhantomData })
    }

    /// Returns the shape `[rows, ..row]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.shape[0]
    }

    /// Reads the rows in `range`.
    ///
    /// # Errors
    /// If the file cannot be read, or memory is insufficient.
    ///
    /// # Panics
    ///
    /// If `range` exceeds the number of rows.
    pub fn read(&mut self, range: Range<usize>) -> Result<Vec<T>, NpyError> {
        assert!(
            range.start <= range.end && range.end <= self.rows(),
            "{range:?} of {}",
            self.rows()
        );
        let row: usize = self.shape[1..].iter().product();
        let length = row * range.len();
        let mut values = Vec::new();
        let reserved = values.try_reserve_exact(length);
        let reserved = reserved.map_err(|_| no_memory((length * size_of::<T>()) as u64));
        at("read", &self.path, reserved)?;
        values.resize(length, T::zeroed());
        let offset = self.start + (range.start * row * size_of::<T>()) as u64;
        let read = self.file.seek(SeekFrom::Start(offset));
        let read = read.and_then(|_| self.file.read_exact(bytemuck::cast_slice_mut(&mut values)));
        at("read", &self.path, read)?;
        Ok(values)
    }
}

/// Parses the type and the shape of a header in C order.
fn parse(header: &str) -> Option<(String, Vec<usize>)> {
    let value = |key: &str| Some(header.split_once(&format!("'{key}':"))?.1.trim_start());
    let descr = value("descr")?.strip_prefix('\'')?.split('\'').next()?;
    value("fortran_order")?.strip_prefix("False")?;
    let shape = value("shape")?.strip_prefix('(')?.split_once(')')?.0;
    let shape = shape.split(',').map(str::trim).filter(|n| !n.is_empty());
    let shape: Vec<usize> = shape.map(|n| n.parse().ok()).collect::<Option<_>>()?;
    (!shape.is_empty()).then(|| (descr.to_owned(), shape))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_example(dir: &Path) -> PathBuf {
        let path = dir.join("x.npy");
        let mut writer = Writer::<f32>::create(&path, &[2, 3]).unwrap();
        for row in 0..5 {
            writer.push(&[row as f32; 6]).unwrap();
        }
        assert_eq!(writer.finish().unwrap(), 5);
        path
    }

    #[test]
    fn rows_survive_a_round_trip_and_equal_ndarray_npy() {
        let dir = tempfile::tempdir().unwrap();
        let path = write_example(dir.path());
        let mut reader = Reader::<f32>::open(&path, &[None, Some(3)]).unwrap();
        assert_eq!(reader.shape(), [5, 2, 3]);
        assert_eq!(reader.read(3..5).unwrap()[..7], [3., 3., 3., 3., 3., 3., 4.]);
        let whole: ndarray::Array3<f32> = ndarray_npy::read_npy(&path).unwrap();
        assert_eq!(whole.as_slice().unwrap(), reader.read(0..5).unwrap());
        ndarray_npy::write_npy(&path, &whole).unwrap();
        assert_eq!(Reader::<f32>::open(&path, &[Some(2), Some(3)]).unwrap().rows(), 5);
    }

    #[test]
    fn malformed_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = write_example(dir.path());
        let good = std::fs::read(&path).unwrap();
        let open = |bytes: &[u8], row: &[Option<usize>]| {
            crate::io::atomic::write(&path, bytes).unwrap();
            Reader::<f32>::open(&path, row).unwrap_err().to_string()
        };
        let row = [Some(2), Some(3)];
        assert!(open(&good[..good.len() - 1], &row).contains("does not match the file size"));
        assert!(open(&good[..60], &row).contains("truncated"));
        assert!(open(b"", &row).contains("too short"));
        assert!(open(b"\x89PNG\r\n\x1a\n....", &row).contains("the start is not"));
        assert!(open(&good, &[Some(7)]).contains("expected rows of"));
        let text =
            String::from_utf8_lossy(&good[..HEADER]).replace("(5,", "(99999999999999999999,");
        assert!(
            open(text.as_bytes(), &row).contains("the start is not"),
            "lossy conversion changes the magic number"
        );
        let mut huge = good.clone();
        let position = huge.windows(3).position(|w| w == b"(5,").unwrap();
        huge[position..position + 24].copy_from_slice(b"(9999999999999999, 2, 3)");
        assert!(open(&huge, &row).contains("does not match the file size"));
        assert!(Reader::<u8>::open(&path, &row).is_err());
        let empty = &good[..HEADER];
        let mut overflowing = empty.to_vec();
        overflowing[position..position + 32].copy_from_slice(b"(0, 4611686018427387904, 16) , }");
        assert!(open(&overflowing, &[None, None]).contains("does not match the file size"));
    }
}
