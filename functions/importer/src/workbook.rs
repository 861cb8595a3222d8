//! The sheet of an XLSX file (ECMA-376) as CSV, from which the rows are read like those of any other file.
//!
//! Such a file is an archive of XML: little can unpack to very much. So it is unpacked once through, into nothing
//! and with a limit, before anything of it is kept.

use std::io::{Cursor, Read as _, copy, sink};

use calamine::{DataRef, ExcelDateTime, Reader as _, SheetType, SheetVisible, Xlsx};
use csv::{Terminator, Writer, WriterBuilder};
use zip::ZipArchive;

use crate::Reason;
use crate::mapping::MOST_COLUMNS;

/// The most bytes of an archive, unpacked.
const MOST_UNPACKED: u64 = 150 * 1024 * 1024;

/// The most bytes of a part of it that has neither cells nor their texts.
const MOST_OF_A_PART: u64 = 16 * 1024 * 1024;

/// The most bytes of the formats of cells: each becomes some hundred in memory.
const MOST_OF_STYLES: u64 = 2 * 1024 * 1024;

/// The most parts.
const MOST_PARTS: usize = 10_000;

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
    let mut book = Xlsx::new(Cursor::new(file)).map_err(|_| UNREADABLE)?;
    let mut sheets = book.sheets_metadata().iter();
    let shown =
        sheets.find(|sheet| sheet.typ == SheetType::WorkSheet && sheet.visible == SheetVisible::Visible);
    let name = shown.map(|sheet| sheet.name.clone()).ok_or("no_sheet")?;
    let mut cells = book.worksheet_cells_reader(&name).map_err(|_| UNREADABLE)?;
    let mut table = Table::new();
    while let Some(cell) = cells.next_cell().map_err(|_| UNREADABLE)? {
        let (row, column) = cell.get_position();
        table.add(row, column, text(cell.get_value()))?;
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
        let path = part.name().map_err(|_| UNREADABLE)?.to_ascii_lowercase();
        let most = match path.rsplit('/').next().unwrap_or_default() {
            "styles.xml" => MOST_OF_STYLES,
            "sharedstrings.xml" => left,
            name if name.starts_with("sheet") => left,
            _ => MOST_OF_A_PART,
        };
        let most = most.min(left);
        let unpacked = copy(&mut part.take(most + 1), &mut sink()).map_err(|_| UNREADABLE)?;
        left = if unpacked > most { return Err(TOO_LARGE) } else { left - unpacked };
    }
    Ok(())
}

/// A cell as a person would type it into CSV.
fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number.to_string(),
        DataRef::String(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(bool) => bool.to_string(),
        DataRef::DateTime(time) if time.is_duration() => time.as_f64().to_string(),
        DataRef::DateTime(time) => moment(time),
        DataRef::DateTimeIso(time) => time.strip_suffix("T00:00:00").unwrap_or(time).to_owned(),
        DataRef::Error(error) => error.to_string(),
    }
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
    written: usize,
    row: u32,
    cells: Vec<String>,
}

impl Table {
    fn new() -> Self {
        let csv =
            WriterBuilder::new().flexible(true).terminator(Terminator::Any(b'\n')).from_writer(Vec::new());
        Self { csv, written: 0, row: 0, cells: Vec::new() }
    }

    /// Cells come in their order: those of a row, from the first one on, and then those of the next.
    fn add(&mut self, row: u32, column: u32, text: String) -> Result<(), Reason> {
        if text.is_empty() {
            return Ok(());
        }
        if row < self.row {
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
        self.cells.resize(column, String::new());
        self.cells.push(text);
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), Reason> {
        // What is there for a row without cells: a record of one empty cell.
        if self.cells.is_empty() {
            self.cells.push(String::new());
        }
        self.written += self.cells.iter().map(|cell| cell.len() + 1).sum::<usize>();
        if self.written > MOST_TEXT {
            return Err(TOO_LARGE);
        }
        self.csv.write_record(&self.cells).map_err(|_| UNREADABLE)?;
        self.cells.clear();
        self.row += 1;
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<u8>, Reason> {
        self.end_row()?;
        self.csv.into_inner().map_err(|_| UNREADABLE)
    }
}
