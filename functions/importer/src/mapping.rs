//! Which column of a file is which field.

use std::collections::HashSet;

use imports::ImportColumn;
use nexo_api::Column;

/// The most columns of a file.
pub(crate) const MOST_COLUMNS: usize = 200;

/// The longest name of a column that is kept, in characters.
const LONGEST_NAME: usize = 100;

/// What a header is proposed to be read as. The names of the export count first, then those that differ from them
/// in case, spaces and signs only.
pub(crate) fn propose(header: &[String], known: &[Column]) -> Vec<ImportColumn> {
    let names = named(header);
    let mut fields: Vec<Option<&str>> = names
        .iter()
        .map(|name| known.iter().find(|column| column.name == name).map(|column| column.name))
        .collect();
    for (place, name) in names.iter().enumerate() {
        let same = |column: &&Column| bare(column.name) == bare(name) && !fields.contains(&Some(column.name));
        if fields[place].is_none() {
            fields[place] = known.iter().find(same).map(|column| column.name);
        }
    }
    names
        .into_iter()
        .zip(fields)
        .map(|(column, field)| ImportColumn { column, field: field.map(str::to_owned) })
        .collect()
}

/// Names that differ from each other.
fn named(header: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    let name = |(place, name): (usize, &String)| {
        let name: String = name.trim().chars().take(LONGEST_NAME).collect();
        let name = if name.is_empty() || seen.contains(&name) { format!("#{}", place + 1) } else { name };
        seen.insert(name.clone());
        name
    };
    header.iter().enumerate().map(name).collect()
}

fn bare(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_export_come_first_and_each_field_is_proposed_once() {
        let known = [Column::text("name"), Column::text("billingAddress.city"), Column::lines("tags")];
        let header = ["NAME", " Billing Address - City ", "name", "", "Telefon", "Telefon", "Tags"];
        let header: Vec<String> = header.map(str::to_owned).into();
        let proposed = propose(&header, &known);
        let proposed: Vec<_> =
            proposed.iter().map(|one| (one.column.as_str(), one.field.as_deref())).collect();
        assert_eq!(
            proposed,
            [
                ("NAME", None),
                ("Billing Address - City", Some("billingAddress.city")),
                ("name", Some("name")),
                ("#4", None),
                ("Telefon", None),
                ("#6", None),
                ("Tags", Some("tags")),
            ]
        );
    }
}
