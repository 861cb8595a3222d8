//! Rows of a file, read part by part.

use imports::{Format, Import};
use nexo_domain::FileId;
use nexo_tenant_key::TenantScope;

use crate::text::{self, MARK, PART};
use crate::{Importer, Stop};

/// A row of a file.
#[derive(Debug)]
pub(crate) struct SheetRow {
    /// Which, as a spreadsheet counts: the header is 1.
    pub(crate) number: u32,
    /// Its cells; none is missing but at the end.
    pub(crate) cells: Vec<String>,
    /// Where the next row begins.
    pub(crate) end: u64,
}

/// Rows in a row.
#[derive(Debug, Default)]
pub(crate) struct Part {
    /// Those that have something in them.
    pub(crate) rows: Vec<SheetRow>,
    /// The row behind them, and where it begins.
    pub(crate) next_row: u32,
    pub(crate) offset: u64,
    /// Whether there is none.
    pub(crate) is_end: bool,
}

/// What is known of a file as a whole.
pub(crate) struct Overview {
    pub(crate) format: Format,
    pub(crate) header: Vec<String>,
    pub(crate) rows: u32,
}

impl Importer {
    async fn bytes(&self, scope: &TenantScope, file: &FileId, from: u64) -> Result<Vec<u8>, Stop> {
        self.bucket.read(scope, file, from, PART).await?.ok_or(Stop::Because("file_gone"))
    }

    /// Goes through the whole file.
    pub(crate) async fn overview(
        &self,
        scope: &TenantScope,
        import: &Import,
        most_rows: u32,
    ) -> Result<Overview, Stop> {
        let first = self.bytes(scope, &import.file_id, 0).await?;
        if text::is_utf16(&first) {
            return Err(Stop::Because("unsupported_encoding"));
        }
        let start = if first.starts_with(MARK) { MARK.len() } else { 0 };
        let delimiter = text::delimiter(&first[start..]);
        let mut format = Format { delimiter: char::from(delimiter), windows_1252: false };
        let (mut header, mut rows) = (None, 0);
        let (mut part, mut offset) = (first, 0);
        let mut skip = start;
        loop {
            let is_last = (part.len() as u64) < PART;
            let lines = text::lines(&part[skip..], is_last, delimiter, usize::MAX);
            for line in &lines {
                format.windows_1252 |= !text::is_utf8(&line.record);
                if header.is_none() {
                    header = Some(line.record.clone());
                } else if !is_blank(line.record.iter()) {
                    rows += 1;
                }
            }
            if rows > most_rows {
                return Err(Stop::Because("too_many_rows"));
            }
            if is_last {
                break;
            }
            let end = lines.last().map(|line| line.end).ok_or(Stop::Because("row_too_long"))?;
            offset += (skip + end) as u64;
            skip = 0;
            part = self.bytes(scope, &import.file_id, offset).await?;
        }
        let header = header.filter(|header| !is_blank(header.iter())).ok_or(Stop::Because("no_header"))?;
        Ok(Overview { format, header: text::cells(&header, format), rows })
    }

    /// The rows from where an import goes on, `most` of them.
    pub(crate) async fn part(&self, scope: &TenantScope, import: &Import, most: usize) -> Result<Part, Stop> {
        let format = import.format.ok_or(Stop::Because("no_header"))?;
        let bytes = self.bytes(scope, &import.file_id, import.offset).await?;
        let is_last = (bytes.len() as u64) < PART;
        let skip = if import.offset == 0 && bytes.starts_with(MARK) { MARK.len() } else { 0 };
        let delimiter = u8::try_from(format.delimiter).unwrap_or(b',');
        let lines = text::lines(&bytes[skip..], is_last, delimiter, most + 1);
        if lines.is_empty() && !is_last {
            return Err(Stop::Because("row_too_long"));
        }
        let is_end = is_last && lines.len() <= most;
        let mut part =
            Part { next_row: import.next_row.max(1), offset: import.offset, is_end, ..Part::default() };
        for line in lines.into_iter().take(most) {
            part.offset = import.offset + (skip + line.end) as u64;
            let number = part.next_row;
            part.next_row += 1;
            if number > 1 && !is_blank(line.record.iter()) {
                part.rows.push(SheetRow {
                    number,
                    cells: text::cells(&line.record, format),
                    end: part.offset,
                });
            }
        }
        Ok(part)
    }
}

/// Whether there is nothing in any cell.
fn is_blank<'a>(cells: impl Iterator<Item = &'a [u8]>) -> bool {
    cells.into_iter().all(|cell| cell.trim_ascii().is_empty())
}
