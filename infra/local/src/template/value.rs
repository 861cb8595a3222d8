//! Reading resolved values: CloudFormation takes numbers and booleans as strings too.

use serde_json::{Map, Value as Json};
use serde_yaml_ng::Value as Yaml;

use super::TemplateError;

/// A YAML scalar as text.
pub(super) fn scalar(value: &Yaml) -> Option<String> {
    match value {
        Yaml::String(text) => Some(text.clone()),
        Yaml::Number(number) => Some(number.to_string()),
        Yaml::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A resolved scalar as text.
pub(super) fn text(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// A list of texts; a single one counts as a list of one, as in policies.
pub(super) fn list(value: Json) -> Option<Vec<String>> {
    match value {
        Json::Array(items) => items.iter().map(text).collect(),
        single => text(&single).map(|one| vec![one]),
    }
}

/// A resolved mapping with the place it was found at.
pub(super) struct Object {
    pub(super) place: String,
    pub(super) fields: Map<String, Json>,
}

impl Object {
    pub(super) fn new(place: String, value: Json) -> Result<Self, TemplateError> {
        match value {
            Json::Object(fields) => Ok(Self { place, fields }),
            _ => Err(TemplateError::new(place, "is not a mapping")),
        }
    }

    pub(super) fn error(&self, problem: impl Into<String>) -> TemplateError {
        TemplateError::new(self.place.clone(), problem)
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<String>, TemplateError> {
        self.fields
            .get(name)
            .map(|value| text(value).ok_or_else(|| self.error(format!("{name} is not a string"))))
            .transpose()
    }

    pub(super) fn text(&self, name: &str) -> Result<String, TemplateError> {
        self.optional_text(name)?.ok_or_else(|| self.error(format!("no {name}")))
    }

    pub(super) fn optional_number(&self, name: &str) -> Result<Option<u64>, TemplateError> {
        self.optional_text(name)?
            .map(|text| {
                // Rates may be written as 100.0.
                text.strip_suffix(".0")
                    .unwrap_or(&text)
                    .parse()
                    .map_err(|_| self.error(format!("{name} is not a whole number")))
            })
            .transpose()
    }

    pub(super) fn number(&self, name: &str) -> Result<u64, TemplateError> {
        self.optional_number(name)?.ok_or_else(|| self.error(format!("no {name}")))
    }

    pub(super) fn flag(&self, name: &str) -> Result<bool, TemplateError> {
        match self.optional_text(name)?.as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.error(format!("{name} is neither true nor false"))),
        }
    }

    /// A list of texts, empty when absent.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, TemplateError> {
        match self.fields.get(name) {
            None => Ok(Vec::new()),
            Some(value) => {
                list(value.clone()).ok_or_else(|| self.error(format!("{name} is not a list of strings")))
            }
        }
    }

    pub(super) fn optional_object(&self, name: &str) -> Result<Option<Self>, TemplateError> {
        self.fields
            .get(name)
            .map(|value| Self::new(format!("{}: {name}", self.place), value.clone()))
            .transpose()
    }

    /// A list of mappings, empty when absent; a single mapping counts as a list of one.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Self>, TemplateError> {
        let place = format!("{}: {name}", self.place);
        match self.fields.get(name) {
            None => Ok(Vec::new()),
            Some(Json::Array(items)) => {
                items.iter().map(|item| Self::new(place.clone(), item.clone())).collect()
            }
            Some(single) => Ok(vec![Self::new(place, single.clone())?]),
        }
    }
}

/// Lays `over` on `under`: mappings are joined, anything else is replaced, as SAM's Globals are.
pub(super) fn merge(under: Option<Json>, over: Option<Json>) -> Option<Json> {
    match (under, over) {
        (Some(Json::Object(mut under)), Some(Json::Object(over))) => {
            for (key, value) in over {
                let below = under.remove(&key);
                if let Some(value) = merge(below, Some(value)) {
                    under.insert(key, value);
                }
            }
            Some(Json::Object(under))
        }
        (under, None) => under,
        (_, over) => over,
    }
}
