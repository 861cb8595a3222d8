//! The sheet of an XLSX file (ECMA-376) as CSV, from which the rows are read like those of any other file.
//!
//! Such a file is an archive of XML: little can unpack to very much, and what is read of it may say that there is
//! more than there is. So it is unpacked once through, with limits, before it is read; the parts that are kept as a
//! whole are looked through.

use std::borrow::Cow;
use std::io::{self, BufReader, Cursor, Read, copy, sink};

use calamine::{DataRef, ExcelDateTime, Reader as _, SheetType, SheetVisible, Xlsx};
use csv::{Terminator, Writer, WriterBuilder};
use quick_xml::events::{BytesStart, Event};
use zip::ZipArchive;

use crate::Reason;
use crate::mapping::MOST_COLUMNS;
use crate::text::LONGEST_ROW;

/// The most bytes of an archive, unpacked.
const MOST_UNPACKED: u64 = 150 * 1024 * 1024;

/// The most bytes of the texts that cells share.
const MOST_OF_STRINGS: u64 = 100 * 1024 * 1024;

/// The most texts that they are said to be.
const MOST_STRINGS: u64 = 10_000_000;

/// The most bytes of a part that is kept as a whole.
const MOST_OF_A_PART: u64 = 16 * 1024 * 1024;

/// The most bytes of an attribute of such a part: many elements may have a copy of it.
const LONGEST_ATTRIBUTE: usize = 1024;

/// The most elements of such a part of which many copies are made: spreadsheets know 65,490 formats of cells.
const MOST_ELEMENTS: usize = 100_000;

/// The most parts.
const MOST_PARTS: usize = 10_000;

/// The most rows that a sheet has.
const ROWS_OF_A_SHEET: u32 = 1_048_576;

/// The most bytes of a sheet as CSV.
const MOST_TEXT: usize = 100 * 1024 * 1024;

const UNREADABLE: Reason = "unreadable_workbook";
const TOO_LARGE: Reason = "too_much_text";

/// A sheet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sheet {
    pub(crate) name: String,
    /// Its rows, the first one first, also those without anything.
    pub(crate) csv: Vec<u8>,
}

/// The first sheet of a workbook that people see.
pub(crate) fn first_sheet(file: &[u8]) -> Result<Sheet, Reason> {
    bounded(file)?;
    // Elsewhere than where all spreadsheets have it, it would not have been looked through.
    let mut book = Xlsx::new(Cursor::new(file)).map_err(|_| UNREADABLE)?;
    let mut sheets = book.sheets_metadata().iter();
    let shown =
        sheets.find(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    let name = shown.map(|sheet| sheet.name.clone()).ok_or("no_sheet")?;
    let mut cells = book.worksheet_cells_reader(&name).map_err(|_| UNREADABLE)?;
    let mut table = Table::new();
    while let Some(cell) = cells.next_cell().map_err(|_| UNREADABLE)? {
        let (row, column) = cell.get_position();
        table.add(row, column, &text(cell.get_value()))?;
    }
    Ok(Sheet { name, csv: table.finish()? })
}

/// Unpacks all parts, and keeps nothing.
fn bounded(file: &[u8]) -> Result<(), Reason> {
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(|_| UNREADABLE)?;
    if archive.len() > MOST_PARTS {
        return Err(TOO_LARGE);
    }
    let mut left = MOST_UNPACKED;
    for index in 0..archive.len() {
        let part = archive.by_index(index).map_err(|_| UNREADABLE)?;
        let path = part.name().map_err(|_| UNREADABLE)?.to_ascii_lowercase().replace('\\', "/");
        let (most, look): (_, Option<Look>) = match path.trim_start_matches('/') {
            "_rels/.rels" => (MOST_OF_A_PART, Some(usual)),
            "xl/_rels/workbook.xml.rels" | "xl/workbook.xml" | "xl/styles.xml" | "xl/theme/theme1.xml" => {
                (MOST_OF_A_PART, Some(small))
            }
            "xl/sharedstrings.xml" => (MOST_OF_STRINGS, Some(few)),
            _ => (left, None),
        };
        let most = most.min(left);
        let mut part = Counted { part: part.take(most + 1), bytes: 0 };
        let looked = look.map_or(Ok(()), |look| look_through(&mut part, look));
        copy(&mut part, &mut sink()).map_err(|_| UNREADABLE)?;
        if part.bytes > most {
            return Err(TOO_LARGE);
        }
        looked?;
        left -= part.bytes;
    }
    Ok(())
}

/// Judges an element; the count is of those of its part.
type Look = fn(&BytesStart<'_>, &mut usize) -> Result<(), Reason>;

/// A part, and how many bytes were read of it.
struct Counted<R> {
    part: R,
    bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.part.read(buffer)?;
        self.bytes += read as u64;
        Ok(read)
    }
}

/// Looks at each element of a part, as they are read.
fn look_through(part: impl Read, look: Look) -> Result<(), Reason> {
    let mut xml = quick_xml::Reader::from_reader(BufReader::new(part));
    // As calamine has it: what it reads is what was looked at.
    let config = xml.config_mut();
    config.check_end_names = false;
    config.check_comments = false;
    config.expand_empty_elements = true;
    let (mut buffer, mut count) = (Vec::new(), 0);
    loop {
        buffer.clear();
        match xml.read_event_into(&mut buffer).map_err(|_| UNREADABLE)? {
            Event::Start(element) => look(&element, &mut count)?,
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// The values of an element's attributes of this name, or of all.
fn values<'a>(element: &'a BytesStart<'_>, name: Option<&str>) -> Vec<Cow<'a, str>> {
    let mut attributes = element.attributes();
    attributes.with_checks(false);
    let wanted = attributes.flatten().filter(|one| name.is_none_or(|name| one.key.as_ref() == name));
    wanted.map(|one| one.value).collect()
}

/// Refuses a workbook elsewhere than where spreadsheets have it: its parts would not be looked through.
fn usual(element: &BytesStart<'_>, count: &mut usize) -> Result<(), Reason> {
    small(element, count)?;
    let is_workbook =
        values(element, Some("Type")).iter().any(|kind| kind.ends_with("/relationships/officeDocument"));
    let is_usual = |target: &Cow<'_, str>| target.trim_start_matches('/') == "xl/workbook.xml";
    if is_workbook && !values(element, Some("Target")).iter().all(is_usual) {
        Err(UNREADABLE)
    } else {
        Ok(())
    }
}

/// Refuses what becomes much in memory: many elements, and long attributes of which each has a copy.
fn small(element: &BytesStart<'_>, count: &mut usize) -> Result<(), Reason> {
    *count += 1;
    let is_long = values(element, None).iter().any(|value| value.len() > LONGEST_ATTRIBUTE);
    if is_long || *count > MOST_ELEMENTS { Err(TOO_LARGE) } else { Ok(()) }
}

/// Refuses texts of which it is said that they are very many: room is made for so many.
fn few(element: &BytesStart<'_>, _: &mut usize) -> Result<(), Reason> {
    if element.local_name().as_ref() != "sst" {
        return Ok(());
    }
    let said = values(element, Some("uniqueCount"));
    let digits = said.iter().map(|value| value.chars().filter(char::is_ascii_digit).collect::<String>());
    let is_many =
        |digits: String| digits.parse().map_or(!digits.is_empty(), |count: u64| count > MOST_STRINGS);
    if digits.into_iter().any(is_many) { Err(TOO_LARGE) } else { Ok(()) }
}

/// A cell as a person would type it into CSV.
fn text<'a>(value: &'a DataRef<'_>) -> Cow<'a, str> {
    match value {
        DataRef::Empty => "".into(),
        DataRef::Int(number) => number.to_string().into(),
        DataRef::Float(number) => shown(*number).into(),
        DataRef::String(text) | DataRef::DurationIso(text) => text.into(),
        DataRef::SharedString(text) => (*text).into(),
        DataRef::Bool(bool) => bool.to_string().into(),
        DataRef::DateTime(time) if time.is_duration() => shown(time.as_f64()).into(),
        DataRef::DateTime(time) => moment(time).into(),
        DataRef::DateTimeIso(time) => time.strip_suffix("T00:00:00").unwrap_or(time).into(),
        DataRef::Error(error) => error.to_string().into(),
    }
}

/// A number with the 15 digits that spreadsheets show at most: 19.99 times 100 is 1999.
fn shown(number: f64) -> String {
    format!("{number:.14e}").parse().unwrap_or(number).to_string()
}

/// A date, with its time unless that is midnight (ISO 8601).
fn moment(time: &ExcelDateTime) -> String {
    let (year, month, day, hours, minutes, seconds, milliseconds) = time.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    match (hours, minutes, seconds, milliseconds) {
        (0, 0, 0, 0) => date,
        _ => format!("{date}T{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// Cells, written row by row.
struct Table {
    csv: Writer<Vec<u8>>,
    /// At most so many bytes are written, and will be of the row.
    bytes: usize,
    row: u32,
    cells: Vec<String>,
    of_row: usize,
}

impl Table {
    fn new() -> Self {
        let csv =
            WriterBuilder::new().flexible(true).terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
        Self { csv, bytes: 0, row: 0, cells: Vec::new(), of_row: 0 }
    }

    /// Cells come in their order: those of a row, from the first one on, and then those of the next.
    fn add(&mut self, row: u32, column: u32, text: &str) -> Result<(), Reason> {
        if text.is_empty() {
            return Ok(());
        }
        if row < self.row || row >= ROWS_OF_A_SHEET {
            return Err(UNREADABLE);
        }
        while self.row < row {
            self.end_row()?;
        }
        // One more than a row may have is enough to say so.
        let column = usize::try_from(column).unwrap_or(usize::MAX).min(MOST_COLUMNS);
        if column < self.cells.len() {
            return if column == MOST_COLUMNS { Ok(()) } else { Err(UNREADABLE) };
        }
        self.of_row += text.len();
        self.bytes += 2 * text.len() + 3;
        if self.of_row > LONGEST_ROW {
            return Err("row_too_long");
        }
        if self.bytes > MOST_TEXT {
            return Err(TOO_LARGE);
        }
        self.cells.resize(column, String::new());
        self.cells.push(text.to_owned());
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), Reason> {
        // What is there for a row without cells: a record of one empty cell.
        if self.cells.is_empty() {
            self.cells.push(String::new());
        }
        self.csv.write_record(&self.cells).map_err(|_| UNREADABLE)?;
        self.cells.clear();
        self.of_row = 0;
        self.row += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, Reason> {
        self.end_row()?;
        self.csv.into_inner().map_err(|_| UNREADABLE)
    }
}
