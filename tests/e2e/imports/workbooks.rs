//! Imports out of XLSX, as spreadsheets write it and as nobody should.

use std::io::{Cursor, Write as _};

use nexo_tests::{Company, Nexo};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{counts, errors, proposed_of, records, started, uploaded};
use crate::employees::{department, position};

const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

async fn proposed(nexo: &Nexo, company: &Company<'_>, resource: &str, bytes: &[u8]) -> Value {
    let file = uploaded(company, "records.xlsx", XLSX, bytes).await;
    proposed_of(nexo, company, resource, &file).await
}

#[tokio::test]
async fn cells_of_all_kinds_are_read_as_people_see_them() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (it, dev) = (department(&company, "IT", &Value::Null).await, position(&company, "Dev", 9).await);
    let mut book = Workbook::new();
    book.add_worksheet().set_name("Notes").unwrap().set_hidden(true).write(0, 0, "not this one").unwrap();
    let sheet = book.add_worksheet().set_name("People").unwrap().set_active(true);
    let header = [
        "Employee Number",
        "First Name",
        "Last Name",
        "Work Email",
        "Department ID",
        "Position ID",
        "Hire Date",
        "Birth Date",
        "Pay Amount Minor",
        "Pay Currency",
        "Tags",
    ];
    sheet.write_row(0, 0, header).unwrap();
    let date = Format::new().set_num_format("dd.mm.yyyy");
    // The third row is left out; the fifth has a formula without a value.
    for (row, number, first) in [(1, 1.0, "Ada"), (3, 2.0, "Zoë, \"Zo\""), (4, 3.0, "Cy")] {
        sheet.write(row, 0, number).unwrap();
        sheet.write(row, 1, first).unwrap();
        let last = Formula::new("=CONCAT(\"L\")").set_result(if row == 4 { "#N/A" } else { "L" });
        sheet.write(row, 2, last).unwrap();
        sheet.write(row, 3, format!("{number}@acme.example")).unwrap();
        sheet.write(row, 4, it["id"].as_str().unwrap()).unwrap();
        sheet.write(row, 5, dev["id"].as_str().unwrap()).unwrap();
        let hired = ExcelDateTime::from_ymd(2026, 1, 15).unwrap();
        sheet.write_with_format(row, 6, &hired, &date).unwrap();
        sheet.write(row, 7, "1990-12-10").unwrap();
        sheet.write(row, 8, 4_200_000).unwrap();
        sheet.write(row, 9, "EUR").unwrap();
        sheet.write(row, 10, "a\nb").unwrap();
    }
    // Somewhere far away somebody has left a format without a value.
    sheet.write_blank(500, 300, &date).unwrap();
    let bytes = book.save_to_buffer().unwrap();
    let import = proposed(&nexo, &company, "employees", &bytes).await;
    assert_eq!(import["format"]["sheet"], "People", "{import}");
    assert_eq!(import["rows"], 3);
    let columns = import["columns"].as_array().unwrap();
    assert_eq!(columns.len(), 11);
    assert_eq!(columns[8], json!({"column": "Pay Amount Minor", "field": "pay.amountMinor"}));
    for dry_run in [true, false] {
        let done = started(&nexo, &company, &import, &json!({"dryRun": dry_run})).await;
        assert_eq!(counts(&done), [2, 0, 0, 1], "{done} {:?}", errors(&company, &import).await);
        let wanted = [["5", "Last Name", "lastName", "failed_formula"].map(str::to_owned)];
        assert_eq!(errors(&company, &import).await, wanted);
    }
    let found = records(&company, "employees").await;
    let two = found.iter().find(|one| one["employeeNumber"] == "2").unwrap();
    assert_eq!(two["firstName"], "Zoë, \"Zo\"");
    assert_eq!((&two["hireDate"], &two["birthDate"]), (&json!("2026-01-15"), &json!("1990-12-10")));
    assert_eq!(two["pay"]["amountMinor"], 4_200_000);
    assert_eq!(two["tags"], json!(["a", "b"]));
}

#[tokio::test]
async fn a_workbook_of_several_steps_is_read_to_its_end() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.write(0, 0, "Name").unwrap();
    for row in 1..=1200 {
        sheet.write(row, 0, format!("Client {row:04}")).unwrap();
    }
    let import = proposed(&nexo, &company, "clients", &book.save_to_buffer().unwrap()).await;
    assert_eq!((&import["format"]["sheet"], &import["rows"]), (&json!("Sheet1"), &json!(1200)));
    // Tried: the rows of an engine in memory cost more the more there are.
    let done = started(&nexo, &company, &import, &json!({"dryRun": true})).await;
    assert_eq!((counts(&done), &done["rowsDone"]), ([1200, 0, 0, 0], &json!(1200)), "{done}");
}

/// An archive of these parts.
fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in parts {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// The parts of a workbook with this sheet.
fn parts(sheet: &[u8]) -> [(&'static str, &[u8]); 4] {
    const PACKAGE: &[u8] = br#"<?xml version="1.0"?><Relationships
        xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1"
        Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
        Target="xl/workbook.xml"/></Relationships>"#;
    const WORKBOOK: &[u8] = br#"<?xml version="1.0"?><workbook
        xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"
        xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>
        <sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
    const RELATIONS: &[u8] = br#"<?xml version="1.0"?><Relationships
        xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1"
        Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"
        Target="worksheets/sheet1.xml"/></Relationships>"#;
    [
        ("_rels/.rels", PACKAGE),
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", RELATIONS),
        ("xl/worksheets/sheet1.xml", sheet),
    ]
}

fn sheet(rows: &str) -> Vec<u8> {
    format!("<worksheet><dimension ref=\"A1\"/><sheetData>{rows}</sheetData></worksheet>").into_bytes()
}

#[tokio::test]
async fn what_is_no_workbook_or_too_much_of_one_is_refused() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let cell = |at: &str, text: &str| format!("<c r=\"{at}\" t=\"str\"><v>{text}</v></c>");
    let row = |at: u32, cells: &str| format!("<row r=\"{at}\">{cells}</row>");
    let good = sheet(&(row(1, &cell("A1", "name")) + &row(2, &cell("A2", "Acme"))));
    let import = proposed(&nexo, &company, "clients", &archive(&parts(&good))).await;
    assert_eq!((&import["status"], &import["rows"]), (&json!("proposed"), &json!(1)), "{import}");

    let zeros = vec![b' '; 151 * 1024 * 1024];
    let twice = [1, 2].map(|at| row(at, &cell("A1", "x"))).concat();
    let back = row(2, &cell("A2", "x")) + &row(1, &cell("A1", "x"));
    let wide: Vec<_> = (0..201).map(|at| format!("<c t=\"str\"><v>{at}</v></c>")).collect();
    let wide = row(1, &wide.concat());
    let far = row(1, &cell("A1", "name")) + &row(2, &(cell("A2", "Acme") + &cell("XFD2", "far")));
    let mut cut = archive(&parts(&good));
    cut.truncate(cut.len() / 2);
    let mut formats = parts(&good).to_vec();
    formats.push(("xl/styles.xml", &zeros[..3 * 1024 * 1024]));
    for (bytes, reason) in [
        (cut, "unreadable_workbook"),
        (archive(&[("a.txt", b"a")]), "unreadable_workbook"),
        (archive(&parts(&sheet(&twice))), "unreadable_workbook"),
        (archive(&parts(&sheet(&back))), "unreadable_workbook"),
        (archive(&parts(b"<worksheet><sheetData><row>")), "unreadable_workbook"),
        (archive(&parts(&sheet(""))), "no_header"),
        (archive(&parts(&sheet(&wide))), "too_many_columns"),
        (archive(&parts(&zeros)), "too_much_text"),
        (archive(&formats), "too_much_text"),
    ] {
        let import = proposed(&nexo, &company, "clients", &bytes).await;
        assert_eq!((&import["status"], &import["reason"]), (&json!("failed"), &json!(reason)), "{import}");
    }
    let import = proposed(&nexo, &company, "clients", &archive(&parts(&sheet(&far)))).await;
    let done = started(&nexo, &company, &import, &json!({"dryRun": true})).await;
    assert_eq!(counts(&done), [0, 0, 0, 1], "{done}");
    assert_eq!(errors(&company, &import).await, [["2", "", "", "too_many_cells"].map(str::to_owned)]);
}
