//! The conditions of a statement.

use std::collections::BTreeMap;

use super::pattern::{principal_tag, tag_value};
use super::{Pattern, Request};

/// The keys a request to the table, to the bucket or to STS can carry. A policy that asks for any other is refused:
/// whether AWS would find a value for it cannot be known here.
const KNOWN_KEYS: [&str; 5] = [
    "dynamodb:LeadingKeys",
    "dynamodb:EnclosingOperation",
    "aws:TagKeys",
    "s3:if-none-match",
    "s3:ObjectCreationOperation",
];
/// Keys of this form are known too: the tags a session is asked for with.
const REQUEST_TAG: &str = "aws:RequestTag/";

/// How a condition treats a key with several values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qualifier {
    /// The key has one value.
    Single,
    /// `ForAllValues`: every value must match one of the policy's. True when the key is absent, as
    /// in AWS: policies add a `Null` condition against that.
    ForAllValues,
    /// `ForAnyValue`: some value must match one of the policy's. False when the key is absent.
    ForAnyValue,
}

/// The comparison of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// Equal, `*` and `?` being ordinary characters; also what `Bool` asks.
    StringEquals(Qualifier),
    /// Equal, `*` and `?` being wildcards.
    StringLike(Qualifier),
    /// Whether the key is absent (`"true"`) or present (`"false"`).
    Null,
    /// Anything else: it refuses every evaluation that meets it.
    Unknown(String),
}

/// One line of a statement's `Condition` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// How to compare.
    pub operator: Operator,
    /// The key of the request's context.
    pub key: String,
    /// The policy's values, of which one must match.
    pub values: Vec<Pattern>,
}

impl Operator {
    /// Reads an operator's name, such as `ForAllValues:StringLike`.
    pub fn parse(name: &str) -> Self {
        let (qualifier, operator) = match name.split_once(':') {
            None => (Qualifier::Single, name),
            Some(("ForAllValues", operator)) => (Qualifier::ForAllValues, operator),
            Some(("ForAnyValue", operator)) => (Qualifier::ForAnyValue, operator),
            Some(_) => return Self::Unknown(name.to_owned()),
        };
        match (qualifier, operator) {
            // The two truth values are two words.
            (_, "StringEquals") | (Qualifier::Single, "Bool") => Self::StringEquals(qualifier),
            (_, "StringLike") => Self::StringLike(qualifier),
            (Qualifier::Single, "Null") => Self::Null,
            _ => Self::Unknown(name.to_owned()),
        }
    }
}

impl Condition {
    /// Whether it holds for the request; `Err` when that cannot be told.
    pub(super) fn holds(&self, request: &Request<'_>) -> Result<bool, String> {
        let values = self.context_values(request)?;
        match &self.operator {
            Operator::Unknown(name) => Err(format!("the condition operator {name} is not known")),
            Operator::Null => self.null(&values, request.tags),
            Operator::StringEquals(qualifier) => {
                self.compare(*qualifier, &values, |pattern, v| pattern.equals(v, request.tags))
            }
            Operator::StringLike(qualifier) => {
                self.compare(*qualifier, &values, |pattern, v| pattern.matches(v, request.tags))
            }
        }
    }

    fn context_values<'a>(&self, request: &Request<'a>) -> Result<Vec<&'a str>, String> {
        if let Some(tag) = principal_tag(&self.key) {
            return Ok(tag_value(tag, request.tags).into_iter().collect());
        }
        let is_request_tag =
            self.key.get(..REQUEST_TAG.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(REQUEST_TAG));
        let is_known = KNOWN_KEYS.iter().any(|known| known.eq_ignore_ascii_case(&self.key));
        if !is_known && !is_request_tag {
            return Err(format!("the condition key {} is not known", self.key));
        }
        Ok(request
            .context
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(&self.key))
            .map(|(_, values)| values.clone())
            .unwrap_or_default())
    }

    fn null(&self, values: &[&str], tags: &BTreeMap<String, String>) -> Result<bool, String> {
        for expected in &self.values {
            let absent = if expected.equals("true", tags)? {
                true
            } else if expected.equals("false", tags)? {
                false
            } else {
                return Err(format!("Null of {} is neither true nor false", self.key));
            };
            if values.is_empty() == absent {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn compare(
        &self,
        qualifier: Qualifier,
        values: &[&str],
        matches: impl Fn(&Pattern, &str) -> Result<bool, String>,
    ) -> Result<bool, String> {
        if qualifier == Qualifier::Single && values.len() > 1 {
            return Err(format!(
                "{} has several values and the condition does not say for all or for any",
                self.key
            ));
        }
        let mut count = 0;
        for value in values {
            let mut found = false;
            for pattern in &self.values {
                found |= matches(pattern, value)?;
            }
            count += usize::from(found);
        }
        Ok(match qualifier {
            Qualifier::Single | Qualifier::ForAnyValue => count > 0,
            Qualifier::ForAllValues => count == values.len(),
        })
    }
}
