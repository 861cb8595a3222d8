//! Checks a value against a schema of the description. A keyword it does not know is an error, so
//! that nothing goes unchecked because the description has grown.

use serde_json::{Map, Value};

/// Says what of them does not change what is valid.
const NOTES: [&str; 7] =
    ["description", "default", "examples", "format", "pattern", "writeOnly", "x-columns"];

/// What is wrong with `value`, each with its place; nothing when it fits.
pub(super) fn check(description: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let Value::Object(schema) = schema else {
        return if schema == &Value::Bool(false) {
            vec![format!("{at}: must not be there")]
        } else {
            Vec::new()
        };
    };
    let mut wrong = Vec::new();
    for (keyword, wanted) in schema {
        if !NOTES.contains(&keyword.as_str()) {
            wrong.extend(one(description, schema, keyword, wanted, value, at));
        }
    }
    wrong
}

fn one(
    description: &Value,
    schema: &Map<String, Value>,
    keyword: &str,
    wanted: &Value,
    value: &Value,
    at: &str,
) -> Vec<String> {
    let fail =
        |fits: bool| if fits { Vec::new() } else { vec![format!("{at}: {keyword} {wanted}: {value}")] };
    let number = |value: &Value| value.as_f64();
    let length = |value: &Value| value.as_str().map(|text| text.chars().count());
    let bound = usize::try_from(wanted.as_u64().unwrap_or_default()).unwrap();
    let choices = || {
        let choices = wanted.as_array().unwrap().iter();
        choices.filter(|choice| check(description, choice, value, at).is_empty()).count()
    };
    match keyword {
        "$ref" => {
            let pointer = wanted.as_str().unwrap().strip_prefix('#').unwrap();
            let target = description.pointer(pointer).unwrap_or_else(|| panic!("{wanted} names nothing"));
            check(description, target, value, at)
        }
        "type" => match wanted {
            Value::Array(kinds) => fail(kinds.iter().any(|kind| is_a(value, kind))),
            kind => fail(is_a(value, kind)),
        },
        "enum" => fail(wanted.as_array().unwrap().contains(value)),
        "const" => fail(wanted == value),
        "anyOf" => fail(choices() > 0),
        "oneOf" => fail(choices() == 1),
        "minLength" => fail(length(value).is_none_or(|length| length >= bound)),
        "maxLength" => fail(length(value).is_none_or(|length| length <= bound)),
        "maxItems" => fail(value.as_array().is_none_or(|items| items.len() <= bound)),
        "minProperties" => fail(value.as_object().is_none_or(|members| members.len() >= bound)),
        "minimum" => fail(number(value).is_none_or(|given| Some(given) >= number(wanted))),
        "maximum" => fail(number(value).is_none_or(|given| Some(given) <= number(wanted))),
        "required" => {
            let names = wanted.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
            let missing = names.filter(|name| value.is_object() && value.get(name).is_none());
            missing.map(|name| format!("{at}: {name} is missing")).collect()
        }
        "items" => value
            .as_array()
            .into_iter()
            .flatten()
            .enumerate()
            .flat_map(|(index, item)| check(description, wanted, item, &format!("{at}/{index}")))
            .collect(),
        "properties" => wanted
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(name, schema)| Some((name, schema, value.get(name)?)))
            .flat_map(|(name, schema, member)| check(description, schema, member, &format!("{at}/{name}")))
            .collect(),
        "additionalProperties" => {
            let known = schema.get("properties").and_then(Value::as_object);
            value
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, _)| known.is_none_or(|known| !known.contains_key(*name)))
                .flat_map(|(name, member)| check(description, wanted, member, &format!("{at}/{name}")))
                .collect()
        }
        other => panic!("{at}: the keyword {other} is not known here"),
    }
}

fn is_a(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type is called {other}"),
    }
}
