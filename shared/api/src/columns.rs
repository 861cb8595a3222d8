//! A resource's records as rows of a table: what a spreadsheet shows of them, and how that is read again.
//!
//! A column is named by the path of its member, such as `billingAddress.city`. Its cell is empty where the
//! record has nothing there, and otherwise a text from which the same JSON can be made.

use nexo_domain::Invalid;
use serde_json::{Map, Value};

/// A column of a resource's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The path of the member, and the column's name in the header. Neither changes once it is known outside.
    pub name: &'static str,
    /// How a cell is written.
    pub form: Form,
}

/// How the cells of a column are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// A list of strings, one a line.
    Lines,
    /// A list of values that may have a label and of which one may be the primary, one a line:
    /// `name@example.com; primary; label=work`.
    Labelled,
}

impl Form {
    /// The form's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Number => "number",
            Self::Lines => "lines",
            Self::Labelled => "labelled",
        }
    }
}

/// The columns of every record, before its own.
pub(crate) const BEFORE: [Column; 1] = [Column::text("id")];

/// The columns of every record, after its own.
pub(crate) const AFTER: [Column; 8] = [
    Column::text("ownerId"),
    Column::lines("tags"),
    Column::text("externalId"),
    Column::number("version"),
    Column::text("createdAt"),
    Column::text("createdBy"),
    Column::text("updatedAt"),
    Column::text("updatedBy"),
];

impl Column {
    /// A column of strings.
    pub const fn text(name: &'static str) -> Self {
        Self { name, form: Form::Text }
    }

    /// A column of whole numbers.
    pub const fn number(name: &'static str) -> Self {
        Self { name, form: Form::Number }
    }

    /// A column of lists of strings.
    pub const fn lines(name: &'static str) -> Self {
        Self { name, form: Form::Lines }
    }

    /// A column of lists of values with labels.
    pub const fn labelled(name: &'static str) -> Self {
        Self { name, form: Form::Labelled }
    }

    /// The record's member that the column shows, or that it is a part of.
    pub fn member(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Where the field is in a record, as a JSON pointer (RFC 6901).
    pub fn pointer(&self) -> String {
        format!("/{}", self.name.replace('.', "/"))
    }

    /// The cell of a record.
    pub fn cell(&self, record: &Map<String, Value>) -> String {
        let mut path = self.name.split('.');
        let first = path.next().and_then(|member| record.get(member));
        let Some(value) = path.fold(first, |value, member| value?.get(member)) else { return String::new() };
        let lines = |line: fn(&Value) -> String| -> String {
            value.as_array().into_iter().flatten().map(line).collect::<Vec<_>>().join("\n")
        };
        match self.form {
            Form::Text => guarded(text(value)),
            // A number is no formula, also where it begins with a minus.
            Form::Number => value.as_i64().map(|number| number.to_string()).unwrap_or_default(),
            Form::Lines => guarded(&lines(|value| text(value).to_owned())),
            Form::Labelled => guarded(&lines(labelled)),
        }
    }

    /// Puts what a cell says into a record. An empty one says nothing.
    ///
    /// # Errors
    /// `invalid_number`, `invalid_entry`.
    pub fn read(&self, cell: &str, record: &mut Map<String, Value>) -> Result<(), Invalid> {
        let cell = unguarded(cell);
        let cell = cell.trim();
        if cell.is_empty() {
            return Ok(());
        }
        let lines = || cell.lines().map(str::trim).filter(|line| !line.is_empty());
        let value = match self.form {
            Form::Text => cell.into(),
            Form::Number => cell
                .parse::<i64>()
                .map_err(|_| Invalid::new("invalid_number", "must be a whole number"))?
                .into(),
            Form::Lines => lines().map(Value::from).collect(),
            Form::Labelled => lines().map(entry).collect::<Result<_, _>>()?,
        };
        put(record, self.name, value);
        Ok(())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

const PRIMARY: &str = "primary";
const LABEL: &str = "label=";

/// Values have no white space and no semicolon, and labels end with the line.
fn labelled(entry: &Value) -> String {
    let mut line = text(&entry["value"]).to_owned();
    if entry["primary"] == true {
        line.extend(["; ", PRIMARY]);
    }
    if let Some(label) = entry["label"].as_str() {
        line.extend(["; ", LABEL, label]);
    }
    line
}

fn entry(line: &str) -> Result<Value, Invalid> {
    let (value, rest) = line.split_once(';').unwrap_or((line, ""));
    let mut entry = Map::from_iter([("value".to_owned(), value.trim().into())]);
    let mut rest = rest.trim();
    if let Some(after) = rest.strip_prefix(PRIMARY)
        && (after.is_empty() || after.starts_with(';'))
    {
        entry.insert(PRIMARY.into(), true.into());
        rest = after.strip_prefix(';').unwrap_or_default().trim();
    }
    if let Some(label) = rest.strip_prefix(LABEL) {
        entry.insert("label".into(), label.trim().into());
    } else if !rest.is_empty() {
        return Err(Invalid::new(
            "invalid_entry",
            "must be lines such as name@example.com; primary; label=work",
        ));
    }
    Ok(Value::Object(entry))
}

/// Sets the member at a path, and makes the objects on the way.
fn put(record: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => drop(record.insert(path.to_owned(), value)),
        Some((member, rest)) => {
            let inner = record.entry(member).or_insert_with(|| Map::new().into());
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// Where in a text a program that opens it could see a cell begin.
///
/// It is at the start; and behind whatever a program may take for a separator, as spreadsheets in many
/// countries split at semicolons, and do not see then that the text is in quotes.
#[derive(Clone, Copy)]
enum Place {
    Start,
    Separated,
    Within,
}

impl Place {
    /// Whether a cell that begins with `c` here would be taken for a formula (OWASP, "CSV Injection").
    fn makes_a_formula_of(self, c: char) -> bool {
        let begins = matches!(c, '=' | '+' | '-' | '@' | '＝' | '＋' | '－' | '＠');
        match self {
            Self::Start => begins || matches!(c, '\t' | '\r' | '\n'),
            Self::Separated => begins,
            Self::Within => false,
        }
    }

    fn after(self, c: char) -> Self {
        match c {
            ',' | ';' | '\t' | '\r' | '\n' => Self::Separated,
            // Programs drop them from where a cell begins.
            c if matches!(c, '"' | '\'') || c.is_whitespace() => self,
            _ => Self::Within,
        }
    }
}

/// A text that no spreadsheet takes for a formula: an apostrophe stands before each character that would
/// begin one. Other texts stay as they are.
pub fn guarded(text: &str) -> String {
    let mut guarded = String::with_capacity(text.len());
    let mut place = Place::Start;
    for c in text.chars() {
        if place.makes_a_formula_of(c) {
            guarded.push('\'');
        }
        guarded.push(c);
        place = place.after(c);
    }
    guarded
}

/// The text that was [`guarded`]. Of a text that was not, it takes the apostrophes with which people guard
/// cells themselves.
pub(crate) fn unguarded(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut place = Place::Start;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c == '\'' && rest.peek().is_some_and(|next| place.makes_a_formula_of(*next)) {
            continue;
        }
        plain.push(c);
        place = place.after(c);
    }
    plain
}

#[cfg(test)]
mod tests;
