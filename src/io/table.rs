//! CSV tables from other sources, as saved by people and spreadsheet programs.
//!
//! Excel writes `;` between columns where the decimal mark is a comma, tabs in "Unicode text"
//! (UTF-16), and windows-1252 unless UTF-8 is selected. Encoding and separator are detected
//! from the bytes; differences from UTF-8 with commas are reported in [`Table::notes`].

use csv::StringRecord;
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// Largest number of columns; the widest table of a public collection has 40.
pub const MAX_COLUMNS: usize = 1000;

/// Supported separators, the most usual first.
const SEPARATORS: [(u8, &str); 4] =
    [(b',', "commas"), (b';', "semicolons"), (b'\t', "tabs"), (b'|', "vertical bars")];

/// Error: the bytes are not a text table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotATable(pub &'static str);

/// Table after its header was read.
#[derive(Debug)]
pub struct Table {
    text: String,
    separator: u8,
    /// Trimmed cells of the header.
    pub header: Vec<String>,
    /// Differences from UTF-8 with commas, as messages for the user.
    pub notes: Vec<String>,
}

impl Table {
    /// Detects encoding and separator, and reads the header.
    ///
    /// # Errors
    /// [`NotATable`] for empty, binary or compressed files, workbooks, web pages, and more than
    /// [`MAX_COLUMNS`] columns.
    pub fn parse(bytes: &[u8]) -> Result<Self, NotATable> {
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\xd0\xcf\x11\xe0") {
            return Err(NotATable("it is a workbook or an archive; save the sheet as CSV"));
        }
        if bytes.starts_with(&[0x1f, 0x8b]) {
            return Err(NotATable("it is compressed; unpack it with `gunzip`"));
        }
        let mut notes = Vec::new();
        let mut text = decode(bytes, &mut notes);
        if text.trim().is_empty() {
            return Err(NotATable("it is empty"));
        }
        if text.contains('\0') {
            return Err(NotATable("it holds binary data"));
        }
        if text.trim_start().starts_with('<') {
            return Err(NotATable("it looks like a web page"));
        }
        if text.bytes().filter(|&b| b == b'"').count() % 2 == 1 {
            notes.push(
                "a quotation mark is not closed: one row may include the rows after it".into(),
            );
        }
        let separator = match read_separator(&text) {
            Some((separator, length)) => {
                text.drain(..length);
                separator
            }
            None => detect_separator(&text),
        };
        if let Some((_, name)) = SEPARATORS.iter().skip(1).find(|(byte, _)| *byte == separator) {
            notes.push(format!("the columns are separated by {name}"));
        }
        let mut table = Self { text, separator, header: Vec::new(), notes };
        let header = match table.reader().headers() {
            Ok(header) if header.len() > MAX_COLUMNS => {
                return Err(NotATable("it has more columns than the limit"));
            }
            Ok(header) => header.iter().map(|cell| cell.trim().to_owned()).collect(),
            Err(_) => return Err(NotATable("it has no header line")),
        };
        table.header = header;
        Ok(table)
    }

    /// Calls `each` for every row below the header, with the row number from 1; empty lines are
    /// not counted. Rows longer or shorter than the header are included, and counted in the
    /// notes.
    ///
    /// # Errors
    /// [`NotATable`] if there are more than `most` rows.
    pub fn for_each_row(
        &mut self,
        most: usize,
        mut each: impl FnMut(usize, &StringRecord),
    ) -> Result<(), NotATable> {
        let (mut rows, mut unequal) = (0, 0);
        let mut reader = self.reader();
        for record in reader.records() {
            let Ok(record) = record else {
                return Err(NotATable("a row cannot be parsed"));
            };
            if rows == most {
                return Err(NotATable("it has more rows than the limit"));
            }
            rows += 1;
            unequal += usize::from(record.len() != self.header.len());
            each(rows, &record);
        }
        drop(reader);
        if unequal > 0 {
            self.notes
                .push(format!("{unequal} of {rows} rows have more or fewer cells than the header"));
        }
        Ok(())
    }

    fn reader(&self) -> csv::Reader<&[u8]> {
        csv::ReaderBuilder::new()
            .flexible(true)
            .delimiter(self.separator)
            .from_reader(self.text.as_bytes())
    }
}

/// Returns the trimmed cell of `column` in `row`; none if absent or blank.
pub fn cell(row: &StringRecord, column: Option<usize>) -> Option<&str> {
    row.get(column?).map(str::trim).filter(|cell| !cell.is_empty())
}

/// Returns the separator of a first line `sep=;`, which Excel reads and writes, and the length
/// of the line in bytes.
fn read_separator(text: &str) -> Option<(u8, usize)> {
    let line = text.split_inclusive('\n').next()?;
    let stated = line.trim_end_matches(['\r', '\n']).trim_matches('"');
    match stated.get(..4)?.eq_ignore_ascii_case("sep=").then(|| &stated.as_bytes()[4..])? {
        [separator] => {
            SEPARATORS.iter().any(|(s, _)| s == separator).then_some((*separator, line.len()))
        }
        _ => None,
    }
}

/// Returns the separator that splits the header into most cells; a comma if none occurs.
fn detect_separator(text: &str) -> u8 {
    let mut counts = [0usize; SEPARATORS.len()];
    let mut quoted = false;
    for byte in text.trim_start().bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            _ if quoted => {}
            _ => SEPARATORS
                .iter()
                .zip(&mut counts)
                .filter(|((separator, _), _)| *separator == byte)
                .for_each(|(_, count)| *count += 1),
        }
    }
    let most = (0..counts.len()).rev().max_by_key(|i| counts[*i]).expect("at least one separator");
    SEPARATORS[most].0
}

/// Decodes by byte-order mark, else as UTF-8, else as UTF-16 if every other byte is zero, else
/// as windows-1252, which accepts every byte.
fn decode(bytes: &[u8], notes: &mut Vec<String>) -> String {
    let by_mark = Encoding::for_bom(bytes).map(|(encoding, _)| encoding);
    let encoding = by_mark.or_else(|| utf_16_without_mark(bytes)).unwrap_or(UTF_8);
    let (text, _, malformed) = encoding.decode(bytes);
    match (encoding == UTF_8, malformed) {
        (true, false) => {}
        (false, false) => notes.push(format!("read as {}", encoding.name())),
        (false, true) => {
            notes.push(format!("read as {}, some characters were lost", encoding.name()));
        }
        (true, true) => {
            let position =
                std::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), |_| bytes.len());
            notes.push(format!("not UTF-8 (byte {position}): read as windows-1252"));
            return WINDOWS_1252.decode_without_bom_handling(bytes).0.into_owned();
        }
    }
    text.into_owned()
}

/// Detects UTF-16 of mostly Latin letters: nearly every second byte is zero.
fn utf_16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(400) & !1];
    let zeros = |first: usize| start.iter().skip(first).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), start.len() / 2);
    match pairs {
        ..8 => None,
        _ if odd * 10 >= pairs * 9 && even == 0 => Some(UTF_16LE),
        _ if even * 10 >= pairs * 9 && odd == 0 => Some(UTF_16BE),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns header, rows and notes.
    fn parse(bytes: &[u8]) -> (Vec<String>, Vec<Vec<String>>, Vec<String>) {
        let mut table = Table::parse(bytes).unwrap();
        let mut rows = Vec::new();
        table.for_each_row(10, |_, row| rows.push(row.iter().map(String::from).collect())).unwrap();
        (table.header, rows, table.notes)
    }

    fn utf_16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(to_bytes).collect()
    }

    #[test]
    fn files_saved_by_excel_give_the_same_table() {
        let text = "patient,age,file\n7,\"63,5\",caf\u{e9}.png\n";
        let plain = parse(text.as_bytes());
        assert!(plain.2.is_empty());
        assert_eq!(plain.1, [["7", "63,5", "caf\u{e9}.png"]]);
        let semicolons = "patient;age;file\r\n7;63,5;caf\u{e9}.png\r\n";
        let tabs = "patient\tage\tfile\r\n7\t63,5\tcaf\u{e9}.png\r\n";
        let ansi: Vec<u8> = semicolons.chars().map(|c| c as u8).collect();
        let by_semicolons = "the columns are separated by semicolons";
        let by_tabs = "the columns are separated by tabs";
        let cases: [(Vec<u8>, &[&str]); 8] = [
            (format!("\u{feff}{text}").into(), &[]),
            (semicolons.into(), &[by_semicolons]),
            (format!("\u{feff}{semicolons}").into(), &[by_semicolons]),
            (format!("sep=;\r\n{semicolons}").into(), &[by_semicolons]),
            (ansi, &["not UTF-8 (byte 28): read as windows-1252", by_semicolons]),
            (utf_16(&format!("\u{feff}{tabs}"), u16::to_le_bytes), &["read as UTF-16LE", by_tabs]),
            (utf_16(&format!("\u{feff}{tabs}"), u16::to_be_bytes), &["read as UTF-16BE", by_tabs]),
            (utf_16(tabs, u16::to_le_bytes), &["read as UTF-16LE", by_tabs]),
        ];
        for (bytes, notes) in cases {
            let found = parse(&bytes);
            assert_eq!((&found.0, &found.1), (&plain.0, &plain.1), "{notes:?}");
            assert_eq!(found.2, notes);
        }
    }

    #[test]
    fn separator_is_detected_from_the_header() {
        let (header, rows, notes) = parse(b"a,b\n\"x;y;z\",1;2;3\n");
        assert_eq!((header.len(), rows[0].len(), notes.len()), (2, 2, 0));
        let (header, _, _) = parse(b"\"a;1;2\",b\n");
        assert_eq!(header, ["a;1;2", "b"]);
        let (header, rows, _) = parse(b"alone\nx;y\n");
        assert_eq!((header.len(), rows[0].len()), (1, 1));
    }

    #[test]
    fn other_files_are_refused() {
        let error = |bytes: &[u8]| Table::parse(bytes).unwrap_err().to_string();
        assert_eq!(error(b"\xef\xbb\xbf \n"), "it is empty");
        assert_eq!(error(b"\x89PNG\0\0"), "it holds binary data");
        assert_eq!(error(b"\x1f\x8b\x08"), "it is compressed; unpack it with `gunzip`");
        assert!(error(b"PK\x03\x04...").contains("save the sheet as CSV"));
        assert!(error(",".repeat(MAX_COLUMNS).as_bytes()).contains("more columns"));
        let mut table = Table::parse(b"a\n1\n2\n").unwrap();
        assert!(table.for_each_row(1, |_, _| ()).is_err());
    }
}
