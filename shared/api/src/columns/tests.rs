use proptest::prelude::*;
use serde_json::json;

use super::*;

const COLUMNS: [Column; 7] = [
    Column::text("name"),
    Column::labelled("emails"),
    Column::number("pay.amountMinor"),
    Column::text("pay.currency"),
    Column::text("address.city"),
    Column::lines("tags"),
    Column::number("version"),
];

fn object(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn cells(record: &Value) -> Vec<String> {
    COLUMNS.iter().map(|column| column.cell(&object(record))).collect()
}

fn read(cells: &[String]) -> Result<Value, Invalid> {
    let mut record = Map::new();
    for (column, cell) in COLUMNS.iter().zip(cells) {
        column.read(cell, &mut record)?;
    }
    Ok(Value::Object(record))
}

#[test]
fn a_record_is_a_row_and_a_row_the_record() {
    let record = json!({
        "name": "Analytical Engines",
        "emails": [
            {"value": "info@engines.example", "primary": true, "label": "work; primary"},
            {"value": "ada@engines.example", "label": "primary"},
            {"value": "old@engines.example"},
        ],
        "pay": {"amountMinor": -5, "currency": "EUR"},
        "address": {"city": "Köln"},
        "tags": ["vip", "a; b, c"],
        "version": 7,
    });
    let row = cells(&record);
    assert_eq!(
        row,
        [
            "Analytical Engines",
            "info@engines.example; primary; label=work; primary\nada@engines.example; label=primary\n\
             old@engines.example",
            "-5",
            "EUR",
            "Köln",
            "vip\na; b, c",
            "7",
        ]
    );
    assert_eq!(read(&row), Ok(record));
}

#[test]
fn what_a_record_has_not_is_an_empty_cell_and_the_other_way_round() {
    let empty = vec![String::new(); COLUMNS.len()];
    for record in
        [json!({}), json!({"name": null, "emails": [], "tags": [], "pay": null, "address": {"city": null}})]
    {
        assert_eq!(cells(&record), empty, "{record}");
    }
    assert_eq!(read(&empty), Ok(json!({})));
    assert_eq!(read(&vec![" \n ".into(); COLUMNS.len()]), Ok(json!({})));
}

#[test]
fn people_write_cells_in_ways_of_their_own() {
    let mut record = Map::new();
    Column::labelled("emails")
        .read(" a@b.example;primary\r\n\r\nc@d.example ;label= x ", &mut record)
        .unwrap();
    let emails = json!([{"value": "a@b.example", "primary": true}, {"value": "c@d.example", "label": "x"}]);
    assert_eq!(record["emails"], emails);
    for (column, cell, code) in [
        (Column::labelled("emails"), "a@b.example; c@d.example", "invalid_entry"),
        (Column::labelled("emails"), "a@b.example; primary label=x", "invalid_entry"),
        (Column::number("version"), "1.5", "invalid_number"),
        (Column::number("version"), "ten", "invalid_number"),
    ] {
        assert_eq!(column.read(cell, &mut record).map_err(|invalid| invalid.code()), Err(code), "{cell}");
    }
}

#[test]
fn no_text_begins_a_formula() {
    for (text, cell) in [
        ("=1+1", "'=1+1"),
        ("+4930901820", "'+4930901820"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t'=1"),
        ("\r\n=1", "'\r\n'=1"),
        ("＝1", "'＝1"),
        ("＋1", "'＋1"),
        ("－1", "'－1"),
        ("＠1", "'＠1"),
        // Where another separator is expected, a cell begins within the text.
        ("a;=1;b", "a;'=1;b"),
        ("a,-1", "a,'-1"),
        ("a\t@b", "a\t'@b"),
        ("- one\n- two", "'- one\n'- two"),
        ("a;\"=1\"", "a;\"'=1\""),
        ("'=1", "''=1"),
        ("\"=1\"", "\"'=1\""),
        // Programs drop white space from where a cell begins.
        (" =1", " '=1"),
        ("a; =1", "a; '=1"),
        ("a,\u{a0}\" +1", "a,\u{a0}\" '+1"),
        // Nothing is done to what begins none.
        ("", ""),
        ("a=1+1", "a=1+1"),
        ("Ada-Marie O'Neill", "Ada-Marie O'Neill"),
        ("'quoted'", "'quoted'"),
        ("ada@acme.example", "ada@acme.example"),
        ("a; b - c", "a; b - c"),
        ("a = b", "a = b"),
    ] {
        assert_eq!(guarded(text), cell);
        assert_eq!(unguarded(cell), text);
    }
    // What nobody guarded is read as it stands.
    for text in ["=1+1", "+4930901820", "a;-b", "- one\n- two"] {
        assert_eq!(unguarded(text), text);
    }
}

/// What a spreadsheet would see of a text, whatever it splits at.
fn begins_no_formula(text: &str) -> bool {
    text.split([',', ';', '\t', '\r', '\n']).all(|cell| {
        !cell.trim_start_matches([' ', '"']).starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠'])
    })
}

/// Texts of what matters here, and of anything.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof!["[-=+@＝＋－＠'\",;\t\r\na ]{0,12}", "\\PC{0,20}"]
}

fn line() -> impl Strategy<Value = String> {
    "[-=+@＝'\",;a ]{0,8}[=+@'\",;a]".prop_map(|text| text.trim().to_owned())
}

proptest! {
    #[test]
    fn every_text_is_guarded_and_comes_back(text in texts()) {
        let cell = guarded(&text);
        prop_assert!(begins_no_formula(&cell), "{:?}", cell);
        prop_assert!(!cell.starts_with(['\t', '\r', '\n']), "{:?}", cell);
        prop_assert_eq!(unguarded(&cell), text);
    }

    #[test]
    fn every_record_comes_back_through_csv(
        name in line(),
        emails in prop::collection::vec(("[-=+'*|a]{1,5}@b\\.example", any::<bool>(), prop::option::of(line())), 1..4),
        pay in any::<i64>(),
        tags in prop::collection::vec(line(), 1..4),
    ) {
        let entries: Vec<Value> = emails.into_iter().map(|(value, primary, label)| {
            let mut entry = json!({"value": value});
            if primary { entry["primary"] = json!(true); }
            if let Some(label) = label { entry["label"] = json!(label); }
            entry
        }).collect();
        let record = json!({
            "name": name, "emails": entries, "pay": {"amountMinor": pay, "currency": "EUR"}, "tags": tags,
        });
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(cells(&record)).unwrap();
        let text = writer.into_inner().unwrap();
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_slice());
        let row: Vec<String> = reader.records().next().unwrap().unwrap().iter().map(str::to_owned).collect();
        prop_assert_eq!(read(&row), Ok(record));
    }
}
