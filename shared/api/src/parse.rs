//! Reads JSON into domain types, and reports everything that is wrong with it at once.
//!
//! Types check themselves while serde builds them, and serde stops at the first error. So that a
//! form can show all of them, what failed is noted, taken out of the document (or, where it is
//! required, replaced by the sample's value) and the rest is read again. A document without errors
//! is read once.

use std::borrow::Cow;
use std::collections::BTreeSet;

use nexo_domain::Invalid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::strict::Document;

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldError {
    /// Where: a JSON pointer (RFC 6901) into the body.
    pub pointer: String,
    /// What, for programs.
    pub code: Cow<'static, str>,
    /// What, for people; reads on from the field's name.
    pub message: String,
}

/// All that is wrong with a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// One error.
    pub fn one(pointer: &str, code: &str, message: impl Into<String>) -> Self {
        let mut errors = Self::default();
        errors.add(pointer, code.to_owned(), message);
        errors
    }

    /// Adds an error.
    pub fn add(&mut self, pointer: &str, code: impl Into<Cow<'static, str>>, message: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.to_owned(), code: code.into(), message: message.into() });
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The errors in the order of their pointers.
    pub fn into_vec(mut self) -> Vec<FieldError> {
        self.0.sort_by(|one, other| one.pointer.cmp(&other.pointer));
        self.0
    }

    /// Those that hold whatever the document's objects are merged into: a part may lack what the whole has.
    pub(crate) fn of_parts(mut self) -> Self {
        let lacks = |error: &FieldError| {
            error.code == "required" || error.code == "empty" && !error.pointer[1..].contains('/')
        };
        self.0.retain(|error| !lacks(error));
        self
    }

    /// Those that are not about one of these members of the document.
    pub(crate) fn without(mut self, members: &[&str]) -> Self {
        let member = |error: &FieldError| error.pointer.split('/').nth(1).map(str::to_owned);
        self.0.retain(|error| !member(error).is_some_and(|member| members.contains(&member.as_str())));
        self
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Adds those that are about something else than what is reported already.
    pub(crate) fn extend_uncovered(&mut self, other: Self) {
        for error in other.0 {
            if !self.covers(&error.pointer) {
                self.0.push(error);
            }
        }
    }

    /// Whether something at or below `pointer` is reported already.
    fn covers(&self, pointer: &str) -> bool {
        self.0.iter().any(|error| {
            error.pointer.strip_prefix(pointer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }
}

/// More errors than this in one body help nobody.
const MOST_ERRORS: usize = 50;

/// Reads `document` as a `T`. `sample` is the smallest valid document: its members are required.
pub(crate) fn parse<T: DeserializeOwned>(
    mut document: Map<String, Value>,
    sample: &Map<String, Value>,
) -> Result<T, FieldErrors> {
    let mut errors = FieldErrors::default();
    for (name, value) in sample {
        if !document.contains_key(name) {
            errors.add(&format!("/{}", escape(name)), "required", "is required");
            document.insert(name.clone(), value.clone());
        }
    }
    let mut document = Value::Object(document);
    if errors.is_empty()
        && let Ok(read) = T::deserialize(Document(&document))
    {
        return Ok(read);
    }
    let mut removed = Removed::default();
    while errors.0.len() < MOST_ERRORS {
        let failure = match serde_path_to_error::deserialize::<_, T>(Document(&document)) {
            Ok(read) if errors.is_empty() => return Ok(read),
            Ok(_) => break,
            Err(failure) => failure,
        };
        let (mut path, message) = (segments(failure.path()), failure.inner().to_string());
        let (code, text) = explain(&message, &mut path);
        let pointer = pointer(&removed.original(&path));
        if !errors.covers(&pointer) {
            errors.add(&pointer, code, text);
        }
        if !take_out(&mut document, &path, sample, &mut removed) {
            break;
        }
    }
    Err(errors)
}

/// One step of a path into a document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Member(String),
    Element(usize),
}

fn segments(path: &serde_path_to_error::Path) -> Vec<Step> {
    use serde_path_to_error::Segment;
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(Step::Element(*index)),
            Segment::Map { key } => Some(Step::Member(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Turns serde's words into ours, and completes the path where serde names the member in words only.
fn explain(message: &str, path: &mut Vec<Step>) -> (Cow<'static, str>, String) {
    if let Some((code, text)) = Invalid::from_de_message(message) {
        return (Cow::Owned(code), text);
    }
    if let Some((name, _)) = quoted(message, "missing field") {
        path.push(Step::Member(name.to_owned()));
        return ("required".into(), "is required".into());
    }
    let given = [
        ("unknown field", "unknown_field", "is not a field here"),
        ("duplicate field", "duplicate", "is given twice"),
    ];
    for (kind, code, text) in given {
        if let Some((name, _)) = quoted(message, kind) {
            // Where the member is there, the path mostly has it already.
            if !matches!(path.last(), Some(Step::Member(last)) if last == name) {
                path.push(Step::Member(name.to_owned()));
            }
            return (code.into(), text.into());
        }
    }
    if let Some((_, choices)) = quoted(message, "unknown variant") {
        let choices: Vec<_> = choices.split('`').skip(1).step_by(2).collect();
        return ("invalid_choice".into(), format!("must be one of {}", choices.join(", ")));
    }
    let wanted = message.rsplit_once("expected ").map_or("another value", |(_, wanted)| wanted);
    ("invalid_type".into(), format!("must be {}", words_for(wanted)))
}

/// The name that serde quotes after `kind`, and what it expected instead. The name can be the
/// sender's, and hold anything: what is ours begins at the last place that looks like it.
fn quoted<'a>(message: &'a str, kind: &str) -> Option<(&'a str, &'a str)> {
    let rest = message.strip_prefix(kind)?.strip_prefix(" `")?;
    let parted = rest.rsplit_once("`, expected ").or_else(|| rest.rsplit_once("`, there are no "));
    parted.or_else(|| Some((rest.strip_suffix('`')?, "")))
}

/// serde names Rust's types; people know JSON's.
fn words_for(expected: &str) -> &str {
    match expected.split(" at line").next().unwrap_or(expected) {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        words if words.starts_with("struct ") => "an object",
        words if words.contains("string") || words.contains("str") => "a string",
        words => words,
    }
}

/// Elements taken out of arrays, by where they were in the original, so that errors after them still
/// point there.
#[derive(Default)]
struct Removed(BTreeSet<(Vec<Step>, usize)>);

impl Removed {
    /// Where `path` led in the original.
    fn original(&self, path: &[Step]) -> Vec<Step> {
        let mut original = Vec::with_capacity(path.len());
        for step in path {
            let mut step = step.clone();
            if let Step::Element(index) = &mut step {
                // In order: each one before it moved it by one.
                for (_, gone) in self.0.iter().filter(|(array, _)| *array == original) {
                    *index += usize::from(gone <= index);
                }
            }
            original.push(step);
        }
        original
    }

    fn add(&mut self, path: &[Step]) {
        let mut original = self.original(path);
        if let Some(Step::Element(index)) = original.pop() {
            self.0.insert((original, index));
        }
    }
}

/// A path as a JSON pointer (RFC 6901).
fn pointer(path: &[Step]) -> String {
    let mut pointer = String::new();
    for step in path {
        pointer.push('/');
        match step {
            Step::Member(name) => pointer.push_str(&escape(name)),
            Step::Element(index) => pointer.push_str(&index.to_string()),
        }
    }
    pointer
}

/// Takes what `path` names out of the document; `false` when there is nothing to take out.
fn take_out(document: &mut Value, path: &[Step], sample: &Map<String, Value>, removed: &mut Removed) -> bool {
    let Some((last, parents)) = path.split_last() else {
        return false;
    };
    if let ([], Step::Member(name)) = (parents, last)
        && let (Some(value), Some(members)) = (sample.get(name), document.as_object_mut())
    {
        return members.insert(name.clone(), value.clone()).as_ref() != Some(value);
    }
    let mut parent = &mut *document;
    for step in parents {
        let next = match step {
            Step::Member(name) => parent.get_mut(name.as_str()),
            Step::Element(index) => parent.get_mut(*index),
        };
        match next {
            Some(next) => parent = next,
            None => return false,
        }
    }
    let taken = match (last, parent) {
        (Step::Member(name), Value::Object(members)) => members.remove(name).is_some(),
        (Step::Element(index), Value::Array(elements)) if *index < elements.len() => {
            elements.remove(*index);
            removed.add(path);
            true
        }
        _ => false,
    };
    // A required member of a nested object is missing: the object goes as a whole.
    taken || take_out(document, parents, sample, removed)
}

/// A member's name in a JSON pointer (RFC 6901, section 3).
pub(crate) fn escape(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) {
        Cow::Owned(name.replace('~', "~0").replace('/', "~1"))
    } else {
        Cow::Borrowed(name)
    }
}

/// Applies a merge patch (RFC 7396, section 2).
pub(crate) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else { return };
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            merge_patch(members.entry(name.clone()).or_insert(Value::Null), change);
        }
    }
}

#[cfg(test)]
mod tests;
