//! docs/ASVS.md, held to the standard's numbers and to tests that exist.

use std::collections::BTreeMap;
use std::fs;

use nexo_tests::project;

/// The requirements of chapters 6 to 9 of ASVS 5.0.0: of each section, the levels of its requirements, from
/// the first on.
const REQUIREMENTS: [(&str, &str); 20] = [
    ("6.1", "122"),
    ("6.2", "111111112222"),
    ("6.3", "11223333"),
    ("6.4", "112233"),
    ("6.5", "22222333"),
    ("6.6", "2223"),
    ("6.7", "33"),
    ("6.8", "2222"),
    ("7.1", "222"),
    ("7.2", "1111"),
    ("7.3", "22"),
    ("7.4", "11222"),
    ("7.5", "223"),
    ("7.6", "22"),
    ("8.1", "1233"),
    ("8.2", "1123"),
    ("8.3", "133"),
    ("8.4", "23"),
    ("9.1", "111"),
    ("9.2", "1222"),
];

struct Row {
    level: String,
    state: String,
    how: String,
    shown_by: String,
}

fn rows() -> BTreeMap<String, Row> {
    let text = fs::read_to_string(project().join("docs/ASVS.md")).unwrap();
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ") && line.contains(|c: char| c.is_numeric()))
    {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [number, level, _, state, how, shown_by] = cells[..] else { panic!("not six cells: {line}") };
        let [level, state, how, shown_by] = [level, state, how, shown_by].map(str::to_owned);
        let before = rows.insert(number.to_owned(), Row { level, state, how, shown_by });
        assert!(before.is_none(), "{number} twice");
    }
    rows
}

#[test]
fn every_requirement_of_both_levels_has_a_row() {
    let mut expected = BTreeMap::new();
    for (section, levels) in REQUIREMENTS {
        for (level, number) in levels.chars().zip(1..).filter(|(level, _)| *level != '3') {
            expected.insert(format!("{section}.{number}"), level.to_string());
        }
    }
    let given: BTreeMap<_, _> = rows().into_iter().map(|(number, row)| (number, row.level)).collect();
    assert_eq!(given, expected);
}

#[test]
fn what_is_met_is_shown_and_what_is_not_says_why() {
    for (number, row) in rows() {
        assert!(!row.how.is_empty(), "{number} says nothing");
        match row.state.as_str() {
            "met" => {
                assert!(row.shown_by.contains('`') || row.shown_by.contains("]("), "{number} is not shown");
            }
            "n/a" | "open" => {}
            other => panic!("{number} is {other}"),
        }
    }
}

#[test]
fn every_test_and_page_that_is_named_exists() {
    for (number, row) in rows() {
        for named in row.shown_by.split('`').skip(1).step_by(2) {
            let (path, name) = named.split_once("::").unwrap_or_else(|| panic!("{number}: {named}"));
            let text =
                fs::read_to_string(project().join(path)).unwrap_or_else(|_| panic!("{number}: no {path}"));
            let at = text.find(&format!("fn {name}(")).unwrap_or_else(|| panic!("{number}: no {named}"));
            let above =
                text[..at].trim_end_matches("async ").trim_end().lines().next_back().unwrap_or_default();
            let is_test = above.trim_start().starts_with("#[test]") || above.contains("#[tokio::test");
            assert!(is_test || text[..at].contains("proptest!"), "{number}: {named} is no test: {above}");
        }
        for link in row.shown_by.split("](").skip(1) {
            let target = link.split(')').next().unwrap();
            let (page, heading) = target.split_once('#').unwrap_or((target, ""));
            let text = fs::read_to_string(project().join("docs").join(page)).unwrap();
            let anchor = |line: &str| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
            let has_heading = text.lines().any(|line| line.starts_with('#') && anchor(line) == heading);
            assert!(heading.is_empty() || has_heading, "{number}: {target}");
        }
    }
}
