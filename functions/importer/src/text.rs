//! Rows of CSV, out of parts of a file.

use csv::{ByteRecord, ReaderBuilder};
use imports::Format;

/// How many bytes are read at once. A row has fewer.
pub(crate) const PART: u64 = 1024 * 1024;

/// Where a row ends in the part, and the row.
pub(crate) struct Line {
    pub(crate) end: usize,
    pub(crate) record: ByteRecord,
}

/// The rows of a part of a file that are whole, `most` of them; behind the last part there is nothing.
pub(crate) fn lines(part: &[u8], is_last: bool, delimiter: u8, most: usize) -> Vec<Line> {
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(part);
    let mut lines = Vec::new();
    while lines.len() < most {
        let mut record = ByteRecord::new();
        // Rows may have any number of cells, and memory is no reader that fails.
        let Ok(true) = reader.read_byte_record(&mut record) else { break };
        let end = usize::try_from(reader.position().byte()).unwrap_or(part.len());
        if end >= part.len() && !is_last {
            // It may go on behind the part.
            break;
        }
        lines.push(Line { end, record });
    }
    lines
}

/// What is between the cells of the first line: whichever of the three is there most often, outside quotes.
pub(crate) fn delimiter(part: &[u8]) -> u8 {
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0)];
    let mut is_quoted = false;
    for byte in part {
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
pub(crate) fn cells(record: &ByteRecord, format: Format) -> Vec<String> {
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

    fn read(part: &str, is_last: bool) -> Vec<(usize, Vec<String>)> {
        let format = Format { delimiter: ',', windows_1252: false };
        let lines = lines(part.as_bytes(), is_last, b',', 100);
        lines.into_iter().map(|line| (line.end, cells(&line.record, format))).collect()
    }

    #[test]
    fn a_file_cut_anywhere_has_the_same_rows() {
        let text = "name,note\r\nA,\"one\r\ntwo, \"\"three\"\"\"\r\n\r\nB,\nÜ,\"\"\nlast,row";
        let whole: Vec<_> = read(text, true).into_iter().map(|(_, cells)| cells).collect();
        assert_eq!(whole.len(), 5);
        assert_eq!(whole[1], ["A", "one\r\ntwo, \"three\""]);
        // A part holds the longest row and what ends the one before.
        for size in 28..text.len() + 2 {
            let (mut offset, mut rows) = (0, Vec::new());
            loop {
                let bytes = &text.as_bytes()[offset..];
                let (part, is_last) =
                    if bytes.len() < size { (bytes, true) } else { (&bytes[..size], false) };
                let format = Format { delimiter: ',', windows_1252: false };
                let found = lines(part, is_last, b',', 2);
                let Some(last) = found.last().map(|line| line.end) else { break };
                rows.extend(found.iter().map(|line| cells(&line.record, format)));
                offset += last;
            }
            assert_eq!(rows, whole, "{size}");
        }
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
        let format = Format { delimiter: ',', windows_1252: true };
        assert_eq!(cells(&record, format), ["Müller €"]);
    }
}
