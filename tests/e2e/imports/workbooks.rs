//! Imports out of XLSX, as spreadsheets write it and as nobody should.

use std::io::{Cursor, Write as _};

use nexo_local::Options;
use nexo_tests::{Company, Nexo, options};
use rust_xlsxwriter::{ExcelDateTime, Format, Formula, Workbook};
use serde_json::{Value, json};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{act, counts, errors, proposed_of, records, settled, started, uploaded};
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
async fn workbooks_of_several_steps_take_turns_and_are_read_to_their_ends() {
    let data = tempfile::tempdir().unwrap();
    let nexo = Nexo::with(Options { data: Some(data.path().into()), ..options() }).await;
    let company = nexo.register().await;
    // Only one of them is kept unpacked.
    let mut imports = Vec::new();
    for name in ["One", "Two"] {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        // Behind a row that is left out.
        sheet.write(1, 0, "Name").unwrap();
        for row in 2..=1101 {
            sheet.write(row, 0, format!("{name} {row:04}")).unwrap();
        }
        let import = proposed(&nexo, &company, "clients", &book.save_to_buffer().unwrap()).await;
        assert_eq!((&import["format"]["sheet"], &import["rows"]), (&json!("Sheet1"), &json!(1100)));
        imports.push(import);
    }
    for import in &imports {
        assert_eq!(act(&company, import, "start", &json!({"dryRun": false})).await.status, 202);
    }
    for import in &imports {
        let done = settled(&nexo, &company, import).await;
        assert_eq!((counts(&done), &done["rowsDone"]), ([1100, 0, 0, 0], &json!(1100)), "{done}");
    }
    let found: Vec<_> = records(&company, "clients").await;
    let names: Vec<_> = found.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect();
    let wanted = ["One", "Two"].iter().flat_map(|name| (2..=1101).map(move |row| format!("{name} {row:04}")));
    assert!(names.into_iter().eq(wanted));
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

fn cell(at: &str, text: &str) -> String {
    format!("<c r=\"{at}\" t=\"str\"><v>{text}</v></c>")
}

fn row(at: u32, cells: &str) -> String {
    format!("<row r=\"{at}\">{cells}</row>")
}

/// The least that can be imported.
fn good() -> Vec<u8> {
    sheet(&(row(1, &cell("A1", "name")) + &row(2, &cell("A2", "Acme"))))
}

#[tokio::test]
async fn values_are_as_spreadsheets_show_them_however_they_are_kept() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let kinds = [
        ("<c r=\"B2\"><v>1998.9999999999998</v></c>", "1999"),
        ("<c r=\"B3\"><v>0.30000000000000004</v></c>", "0.3"),
        ("<c r=\"B4\"><v>12345678901234567890</v></c>", "12345678901234600000"),
        ("<c r=\"B5\" t=\"b\"><v>1</v></c>", "true"),
        ("<c r=\"B6\" t=\"inlineStr\"><is><t>a &amp; b</t></is></c>", "a & b"),
        ("<c r=\"B7\" t=\"s\"><v>0</v></c>", "rich text"),
        ("<c r=\"B8\" s=\"1\"><v>44575</v></c>", "2026-01-15"),
        ("<c r=\"B9\" s=\"1\"><v>44575.5</v></c>", "2026-01-15T12:00:00"),
        ("<c r=\"B10\" t=\"d\"><v>2026-01-15T00:00:00</v></c>", "2026-01-15"),
    ];
    let rows = (2..)
        .zip(kinds)
        .map(|(at, (kind, _))| row(at, &(cell(&format!("A{at}"), &format!("C{at:02}")) + kind)));
    let header = row(1, &(cell("A1", "name") + &cell("B1", "description")));
    let sheet = sheet(&(header + &rows.collect::<Vec<_>>().concat()));
    let mut parts = parts(&sheet).to_vec();
    let workbook = String::from_utf8(parts[1].1.to_vec()).unwrap();
    let workbook = workbook.replace("<sheets>", "<workbookPr date1904=\"1\"/><sheets>");
    parts[1].1 = workbook.as_bytes();
    parts.push((
        "xl/styles.xml",
        b"<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>",
    ));
    parts.push((
        "xl/sharedStrings.xml",
        b"<sst uniqueCount=\"1\"><si><r><t xml:space=\"preserve\">rich </t></r><r><t>text</t></r></si></sst>",
    ));
    let import = proposed(&nexo, &company, "clients", &archive(&parts)).await;
    let done = started(&nexo, &company, &import, &json!({"dryRun": false})).await;
    assert_eq!(counts(&done), [9, 0, 0, 0], "{done} {:?}", errors(&company, &import).await);
    let found = records(&company, "clients").await;
    let found: Vec<_> = found.iter().map(|one| one["description"].as_str().unwrap()).collect();
    assert_eq!(found, kinds.map(|(_, wanted)| wanted));
}

#[tokio::test]
async fn what_is_no_workbook_or_too_much_of_one_is_refused() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let good = good();
    let import = proposed(&nexo, &company, "clients", &archive(&parts(&good))).await;
    assert_eq!((&import["status"], &import["rows"]), (&json!("proposed"), &json!(1)), "{import}");

    let spaces = vec![b' '; 151 * 1024 * 1024];
    let twice = [1, 2].map(|at| row(at, &cell("A1", "x"))).concat();
    let back = row(2, &cell("A2", "x")) + &row(1, &cell("A1", "x"));
    let wide: Vec<_> = (0..201).map(|at| format!("<c t=\"str\"><v>{at}</v></c>")).collect();
    let wide = row(1, &wide.concat());
    let far = row(1, &cell("A1", "name")) + &row(2, &(cell("A2", "Acme") + &cell("XFD2", "far")));
    let mut cut = archive(&parts(&good));
    cut.truncate(cut.len() / 2);
    let with = |name: &str, bytes: &[u8]| {
        let mut parts = parts(&good).to_vec();
        parts.retain(|(other, _)| *other != name);
        parts.push((name, bytes));
        archive(&parts)
    };
    let elsewhere = String::from_utf8(parts(&good)[0].1.to_vec()).unwrap().replace("xl/", "sheet/");
    let target = format!("Target=\"{}worksheets/", "./".repeat(600));
    let relations =
        String::from_utf8(parts(&good)[2].1.to_vec()).unwrap().replace("Target=\"worksheets/", &target);
    let formats = format!("<styleSheet><cellXfs>{}</cellXfs></styleSheet>", "<xf/>".repeat(100_000));
    let format =
        format!("<styleSheet><numFmts><numFmt formatCode=\"{}\"/></numFmts></styleSheet>", "0".repeat(2000));
    // A little text, said to be much; and a long one that many cells share.
    let many = b"<sst uniqueCount=\"1000000000000\"><si><t>a</t></si></sst>";
    let long = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(400_000));
    let shared = |most: u32, across: bool| {
        let cells = (1..=most).map(|at| {
            let cell = "<c t=\"s\"><v>0</v></c>";
            if across { cell.to_owned() } else { row(at, cell) }
        });
        let cells = cells.collect::<Vec<_>>().concat();
        let sheet = sheet(&if across { row(1, &cells) } else { cells });
        let mut parts = parts(&sheet).to_vec();
        parts.push(("xl/sharedStrings.xml", long.as_bytes()));
        archive(&parts)
    };
    for (bytes, reason) in [
        (cut, "unreadable_workbook"),
        (archive(&[("a.txt", b"a")]), "unreadable_workbook"),
        (archive(&parts(&sheet(&twice))), "unreadable_workbook"),
        (archive(&parts(&sheet(&back))), "unreadable_workbook"),
        (archive(&parts(&sheet(&row(2_000_000, &cell("A2000000", "x"))))), "unreadable_workbook"),
        (archive(&parts(&sheet(&row(1, "<c t=\"e\"><v>#NOTHING!</v></c>")))), "unreadable_workbook"),
        (archive(&parts(b"<worksheet><sheetData><row>")), "unreadable_workbook"),
        (with("_rels/.rels", elsewhere.as_bytes()), "unreadable_workbook"),
        (archive(&parts(&sheet(""))), "no_header"),
        (archive(&parts(&sheet(&wide))), "too_many_columns"),
        (shared(2, true), "row_too_long"),
        (shared(140, false), "too_much_text"),
        (archive(&parts(&spaces)), "too_much_text"),
        (with("xl/styles.xml", &spaces[..17 * 1024 * 1024]), "too_much_text"),
        (with("XL\\Styles.xml", formats.as_bytes()), "too_much_text"),
        (with("xl/styles.xml", format.as_bytes()), "too_much_text"),
        (with("xl/_rels/workbook.xml.rels", relations.as_bytes()), "too_much_text"),
        (with("xl/sharedStrings.xml", many), "too_much_text"),
    ] {
        let import = proposed(&nexo, &company, "clients", &bytes).await;
        assert_eq!((&import["status"], &import["reason"]), (&json!("failed"), &json!(reason)), "{import}");
    }
    let import = proposed(&nexo, &company, "clients", &archive(&parts(&sheet(&far)))).await;
    let done = started(&nexo, &company, &import, &json!({"dryRun": true})).await;
    assert_eq!(counts(&done), [0, 0, 0, 1], "{done}");
    assert_eq!(errors(&company, &import).await, [["2", "", "", "too_many_cells"].map(str::to_owned)]);
}
