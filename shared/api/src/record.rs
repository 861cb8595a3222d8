//! Reads a record's body, whole or as a merge patch.

use nexo_store::{Entity, Input as Given};
use serde_json::{Map, Value};

use crate::body::{lay_over, members, sample, settle};
use crate::parse::{FieldErrors, parse};
use crate::{Problem, Resource};

/// The members that every record has besides its own.
const COMMON: [&str; 3] = ["ownerId", "tags", "externalId"];

/// [`COMMON`], on their own.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Common {
    #[serde(default)]
    owner_id: Option<nexo_domain::UserId>,
    #[serde(default)]
    tags: nexo_domain::Tags,
    #[serde(default)]
    external_id: Option<nexo_domain::Text<255>>,
}

/// Reads a whole record's body, and judges it.
pub(crate) fn read_record<R: Resource>(document: Map<String, Value>) -> Result<Given<R>, Problem> {
    let input = parse_record::<R>(document, &sample(R::SAMPLE)?).map_err(Problem::invalid)?;
    judge(&input)?;
    Ok(input)
}

/// Applies the rules across fields.
pub(crate) fn judge<R: Resource>(input: &Given<R>) -> Result<(), Problem> {
    let mut errors = FieldErrors::default();
    input.fields.validate(&mut errors);
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

/// Reads a whole record's body. What the store keeps is no field of it.
pub(crate) fn parse_record<R: Resource>(
    mut document: Map<String, Value>,
    sample: &Map<String, Value>,
) -> Result<Given<R>, FieldErrors> {
    let mut refused = FieldErrors::default();
    for name in R::KEPT.iter().filter(|name| document.remove(**name).is_some()) {
        refused.add(&format!("/{name}"), "unknown_field", "is not a field here");
    }
    let common: Map<_, _> = COMMON.iter().filter_map(|name| document.remove_entry(*name)).collect();
    match (parse::<Common>(common, &Map::new()), parse::<R>(document, sample)) {
        (Ok(common), Ok(fields)) if refused.is_empty() => Ok(Given {
            owner_id: common.owner_id,
            tags: common.tags,
            external_id: common.external_id,
            fields,
        }),
        (common, fields) => {
            refused.extend(common.err().unwrap_or_default());
            refused.extend(fields.err().unwrap_or_default());
            Err(refused)
        }
    }
}

/// Reads a patch's members.
pub(crate) fn read_patch<R: Resource>(patch: &Map<String, Value>) -> Result<Given<R>, Problem> {
    let sample = sample(R::SAMPLE)?;
    let mut known = members(&parse_record::<R>(sample.clone(), &sample).map_err(Problem::invalid)?)?;
    known.retain(|name, _| !R::KEPT.contains(&name.as_str()));
    let (document, mut errors) = lay_over(patch, &sample, &known);
    let objects = patch.iter().filter(|(name, value)| value.is_object() && known.contains_key(*name));
    let mut parts = sample.clone();
    parts.extend(objects.map(|(name, value)| (name.clone(), without_nulls(value))));
    if parts != sample {
        errors.extend(parse_record::<R>(parts, &sample).err().unwrap_or_default().of_parts());
    }
    settle(parse_record::<R>(document, &sample), errors)
}

/// A record's fields as its callers give them.
pub(crate) fn given<R: Resource>(entity: &Entity<R>) -> Result<Map<String, Value>, Problem> {
    let mut document = members(&entity.input)?;
    document.retain(|name, value| !value.is_null() && !R::KEPT.contains(&name.as_str()));
    Ok(document)
}

/// What a merge patch adds; its nulls only take away.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let given = members.iter().filter(|(_, value)| !value.is_null());
            Value::Object(given.map(|(name, value)| (name.clone(), without_nulls(value))).collect())
        }
        other => other.clone(),
    }
}
