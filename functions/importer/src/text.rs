//! Rows of CSV, out of parts of a file.

use csv::{ByteRecord, ReaderBuilder};
use imports::Format;

/// How many bytes are read at once. A row has fewer.
pub(crate) const PART: u64 = 1024 * 1024;

/// The most bytes of a row, without what is between its cells: as many as a request may have.
pub(crate) const LONGEST_ROW: usize = 512 * 1024;

/// A row.
pub(crate) struct Line {
    /// Lines without anything before it, each a row of a spreadsheet.
    pub(crate) skipped: u32,
    /// Where it ends in the part.
    pub(crate) end: usize,
    pub(crate) record: ByteRecord,
}

impl Line {
    /// Whether there is nothing in any cell.
    pub(crate) fn is_blank(&self) -> bool {
        self.record.iter().all(|cell| cell.trim_ascii().is_empty())
    }
}

/// The rows of a part of a file that are whole, until `most` of them have something in them; behind the last part
/// there is nothing.
pub(crate) fn lines(part: &[u8], is_last: bool, delimiter: u8, most: usize) -> Vec<Line> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(part);
    let (mut lines, mut found, mut start) = (Vec::new(), 0, 0);
    while found < most {
        let mut record = ByteRecord::new();
        // Rows may have any number of cells, and memory is no reader that fails.
        let Ok(true) = reader.read_byte_record(&mut record) else { break };
        let mut end = usize::try_from(reader.position().byte()).unwrap_or(part.len());
        // The reader takes the second half of a line's end for the beginning of the next one.
        if part[..end].ends_with(b"\r") && part[end..].starts_with(b"\n") {
            end += 1;
        }
        if end >= part.len() && !is_last {
            // It may go on behind the part.
            break;
        }
        let line = Line { skipped: empty_lines(&part[start..end]), end, record };
        found += usize::from(!line.is_blank());
        lines.push(line);
        start = end;
    }
    if lines.is_empty() && !is_last && part.iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
        // The second half of the last line's end may be behind the part.
        let end = part.len() - usize::from(part.ends_with(b"\r"));
        lines.push(Line { skipped: empty_lines(&part[..end]) - 1, end, record: ByteRecord::new() });
    }
    lines
}

/// How many lines a text begins with that have nothing in them: the reader leaves them out.
fn empty_lines(mut text: &[u8]) -> u32 {
    let mut lines = 0;
    while let Some(rest) = [&b"\r\n"[..], b"\n", b"\r"].iter().find_map(|end| text.strip_prefix(*end)) {
        text = rest;
        lines += 1;
    }
    lines
}

/// What is between the cells of the first line: whichever of the three is there most often, outside quotes.
pub(crate) fn delimiter(part: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut is_quoted = false;
    for byte in part.iter().skip_while(|byte| matches!(byte, b'\r' | b'\n')) {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            byte if !is_quoted => {
                if let Some((_, count)) = counts.iter_mut().find(|(one, _)| one == byte) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    // Of those that are there as often, the first.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(byte, _)| *byte)
}

/// The byte order mark of UTF-8.
pub(crate) const MARK: &[u8] = b"\xef\xbb\xbf";

/// Whether a file begins as UTF-16 does.
pub(crate) fn is_utf16(part: &[u8]) -> bool {
    part.starts_with(b"\xff\xfe") || part.starts_with(b"\xfe\xff")
}

/// Whether all cells of a row are UTF-8.
pub(crate) fn is_utf8(record: &ByteRecord) -> bool {
    record.iter().all(|cell| std::str::from_utf8(cell).is_ok())
}

/// The cells of a row as text.
pub(crate) fn cells(record: &ByteRecord, format: &Format) -> Vec<String> {
    let read = |cell: &[u8]| {
        if format.windows_1252 {
            encoding_rs::WINDOWS_1252.decode_without_bom_handling(cell).0.into_owned()
        } else {
            String::from_utf8_lossy(cell).into_owned()
        }
    };
    record.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(windows_1252: bool) -> Format {
        Format { delimiter: ',', windows_1252, sheet: None }
    }

    /// The rows of a text that is read in parts of a size, each with the number that a spreadsheet gives it.
    fn rows(text: &str, size: usize) -> Vec<(u32, Vec<String>)> {
        let (mut offset, mut number, mut rows) = (0, 0, Vec::new());
        loop {
            let bytes = &text.as_bytes()[offset..];
            let (part, is_last) = if bytes.len() < size { (bytes, true) } else { (&bytes[..size], false) };
            let found = lines(part, is_last, b',', 2);
            let Some(end) = found.last().map(|line| line.end) else { return rows };
            for line in found {
                number += line.skipped + 1;
                rows.push((number, cells(&line.record, &format(false))));
            }
            offset += end;
        }
    }

    #[test]
    fn a_file_cut_anywhere_has_the_same_rows() {
        for end in ["\r\n", "\n", "\r"] {
            let text = "name,note\nA,\"one, \"\"two\"\"\"\n\n\nB,\n,\nÜ,\"\"\n\nlast,row".replace('\n', end);
            let whole = rows(&text, 1000);
            let numbers: Vec<_> = whole.iter().map(|(number, _)| *number).collect();
            assert_eq!(numbers, [1, 2, 5, 6, 7, 9], "{end:?}");
            assert_eq!(whole[1].1, ["A", "one, \"two\""]);
            // A part holds the longest row and what ends the one before.
            for size in 24..text.len() + 2 {
                assert_eq!(rows(&text, size), whole, "{size} {end:?}");
            }
        }
        let text = "name,note\r\nA,\"one\r\ntwo\"\r\nB,";
        let lines = ["A", "one\r\ntwo"].map(str::to_owned).to_vec();
        assert_eq!(rows(text, 1000)[1..], [(2, lines), (3, vec!["B".to_owned(), String::new()])]);
    }

    #[test]
    fn the_delimiter_is_what_is_there_most_often() {
        for (line, expected) in
            [("a,b;c,d\n;;;;", b','), ("\"a,b,c\";d;e", b';'), ("a\tb", b'\t'), ("name", b','), ("", b',')]
        {
            assert_eq!(delimiter(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_utf8_is_windows_1252() {
        let record = ByteRecord::from(vec![&b"M\xfcller \x80"[..]]);
        assert!(!is_utf8(&record));
        assert_eq!(cells(&record, &format(true)), ["Müller €"]);
    }
}
