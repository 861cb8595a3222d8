//! Rows of a file, read part by part.

use std::sync::Arc;

use imports::{Format, Import, MOST_BYTES};
use nexo_domain::{FileId, FileType};
use nexo_files::Bucket;
use nexo_tenant_key::TenantScope;
use tokio::task::spawn_blocking;

use crate::text::{self, LONGEST_ROW, Line, MARK, PART};
use crate::workbook::{Sheet, first_sheet};
use crate::{Importer, Stop};

/// A row of a file.
#[derive(Debug)]
pub(crate) struct SheetRow {
    /// Which, as a spreadsheet counts.
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

/// The text of a file: as it is in the bucket, or, of a workbook, that of its sheet.
pub(crate) struct Text<'a> {
    bucket: &'a Bucket,
    scope: &'a TenantScope,
    file: FileId,
    sheet: Option<Arc<Sheet>>,
}

impl Importer {
    /// The text of an import's file. A workbook is read as a whole, and its sheet kept for the next steps.
    pub(crate) async fn text<'a>(
        &'a self,
        scope: &'a TenantScope,
        file: FileId,
        content_type: FileType,
    ) -> Result<Text<'a>, Stop> {
        let mut text = Text { bucket: &self.bucket, scope, file, sheet: None };
        if content_type != FileType::Xlsx {
            return Ok(text);
        }
        // Whoever waits here has the same file, or needs the memory of this one.
        let mut kept = self.sheet.lock().await;
        if let Some((_, sheet)) = kept.as_ref().filter(|(of, _)| *of == file) {
            text.sheet = Some(sheet.clone());
            return Ok(text);
        }
        *kept = None;
        let bytes = text.bytes(0, MOST_BYTES).await?;
        // What a library makes of a stranger's file may end in a panic, and takes a while.
        let sheet = spawn_blocking(move || first_sheet(&bytes)).await;
        let sheet = sheet.map_err(|_| Stop::Because("unreadable_workbook"))?.map_err(Stop::Because)?;
        let sheet = Arc::new(sheet);
        *kept = Some((file, sheet.clone()));
        text.sheet = Some(sheet);
        Ok(text)
    }
}

impl Text<'_> {
    /// Some of its bytes; fewer at its end.
    async fn bytes(&self, from: u64, most: u64) -> Result<Vec<u8>, Stop> {
        if let Some(sheet) = &self.sheet {
            let rest = usize::try_from(from).ok().and_then(|from| sheet.csv.get(from..)).unwrap_or_default();
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            return Ok(rest[..rest.len().min(most)].to_vec());
        }
        let bytes = self.bucket.read(self.scope, &self.file, from, most).await?;
        bytes.ok_or(Stop::Because("file_gone"))
    }

    /// Goes through the whole of it.
    pub(crate) async fn overview(&self, most_rows: u32) -> Result<Overview, Stop> {
        let first = self.bytes(0, PART).await?;
        if text::is_utf16(&first) {
            return Err(Stop::Because("unsupported_encoding"));
        }
        let start = if first.starts_with(MARK) { MARK.len() } else { 0 };
        let delimiter = if self.sheet.is_some() { b',' } else { text::delimiter(&first[start..]) };
        let mut format = Format {
            delimiter: char::from(delimiter),
            windows_1252: false,
            sheet: self.sheet.as_ref().map(|sheet| sheet.name.clone()),
        };
        let (mut header, mut rows): (Option<Line>, u32) = (None, 0);
        let (mut part, mut offset) = (first, 0);
        let mut skip = start;
        loop {
            let is_last = (part.len() as u64) < PART;
            let lines = text::lines(&part[skip..], is_last, delimiter, usize::MAX);
            let end = lines.last().map_or(0, |line| line.end);
            for line in lines {
                format.windows_1252 |= !text::is_utf8(&line.record);
                if line.record.as_slice().len() > LONGEST_ROW {
                    return Err(Stop::Because("row_too_long"));
                }
                if line.is_blank() {
                    continue;
                }
                if header.is_none() {
                    header = Some(line);
                } else {
                    rows += 1;
                }
            }
            if rows > most_rows {
                return Err(Stop::Because("too_many_rows"));
            }
            if header.is_none() {
                break;
            }
            if is_last {
                break;
            }
            if end == 0 {
                return Err(Stop::Because("row_too_long"));
            }
            offset += (skip + end) as u64;
            skip = 0;
            part = self.bytes(offset, PART).await?;
        }
        let header = header.ok_or(Stop::Because("no_header"))?;
        let header = text::cells(&header.record, &format);
        Ok(Overview { format, header, rows })
    }

    /// The rows from where an import goes on, `most` of them.
    pub(crate) async fn part(&self, import: &Import, most: usize) -> Result<Part, Stop> {
        let format = import.format.as_ref().ok_or(Stop::Because("no_header"))?;
        let bytes = self.bytes(import.offset, PART).await?;
        let is_last = (bytes.len() as u64) < PART;
        // It is in the first part.
        let mut has_header = import.next_row == 0;
        let skip = if import.offset == 0 && bytes.starts_with(MARK) { MARK.len() } else { 0 };
        let delimiter = u8::try_from(format.delimiter).unwrap_or(b',');
        let lines = text::lines(&bytes[skip..], is_last, delimiter, most + usize::from(has_header));
        if lines.is_empty() && !is_last {
            return Err(Stop::Because("row_too_long"));
        }
        let mut part = Part { next_row: import.next_row.max(1), offset: import.offset, ..Part::default() };
        for line in lines {
            part.offset = import.offset + (skip + line.end) as u64;
            let number = part.next_row + line.skipped;
            part.next_row = number + 1;
            if line.is_blank() {
                continue;
            }
            if has_header {
                has_header = false;
            } else {
                let cells = text::cells(&line.record, format);
                part.rows.push(SheetRow { number, cells, end: part.offset });
            }
        }
        // What is behind the last row has nothing in it.
        let is_whole = part.offset == import.offset + bytes.len() as u64;
        part.is_end = is_last && (is_whole || part.offset == import.offset);
        Ok(part)
    }
}
