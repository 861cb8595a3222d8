//! Event sources on the table's stream.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-params.html> and, for patterns,
//! <https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html>.

use std::time::Duration;

use serde_json::Value as Json;

use super::TemplateError;
use super::value::{Object, text};

/// What a function gets of the table's stream, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamSource {
    /// The event's name in the template.
    pub name: String,
    /// A record must match one of these; all do where there are none.
    patterns: Vec<Json>,
    /// Whether records from before the function was there are for it too.
    pub from_beginning: bool,
    /// Records of one call at most.
    pub batch: usize,
    /// How often a batch is tried again; `None` until it is too old.
    pub retries: Option<u64>,
    /// Records that are older are left out.
    pub longest_age: Option<Duration>,
    /// Whether a batch that failed is halved.
    pub bisects: bool,
    /// Whether the function's answer says which records failed.
    pub reports: bool,
}

impl StreamSource {
    pub(super) fn read(name: &str, event: &Object) -> Result<Self, TemplateError> {
        let settings = event.optional_object("Properties")?.ok_or_else(|| event.error("no Properties"))?;
        // -1 is AWS's word for no limit.
        let limit = |name: &str| match settings.optional_text(name)?.as_deref() {
            Some("-1") => Ok(None),
            _ => settings.optional_number(name),
        };
        let from_beginning = match settings.text("StartingPosition")?.as_str() {
            "TRIM_HORIZON" => true,
            "LATEST" => false,
            other => return Err(settings.error(format!("StartingPosition {other} is not known"))),
        };
        let mut patterns = Vec::new();
        if let Some(criteria) = settings.optional_object("FilterCriteria")? {
            for filter in criteria.objects("Filters")? {
                let pattern: Json = serde_json::from_str(&filter.text("Pattern")?)
                    .map_err(|error| filter.error(format!("Pattern: {error}")))?;
                check(&pattern).map_err(|problem| filter.error(format!("Pattern: {problem}")))?;
                patterns.push(pattern);
            }
        }
        Ok(Self {
            name: name.to_owned(),
            patterns,
            from_beginning,
            batch: usize::try_from(settings.optional_number("BatchSize")?.unwrap_or(100))
                .map_err(|_| settings.error("BatchSize is out of range"))?
                .max(1),
            retries: limit("MaximumRetryAttempts")?,
            longest_age: limit("MaximumRecordAgeInSeconds")?.map(Duration::from_secs),
            bisects: settings.flag("BisectBatchOnFunctionError")?,
            reports: settings
                .texts("FunctionResponseTypes")?
                .iter()
                .any(|kind| kind == "ReportBatchItemFailures"),
        })
    }

    /// Whether a record is for the function.
    pub fn takes(&self, record: &Json) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|pattern| matches(pattern, Some(record)))
    }
}

/// A pattern is an object of patterns, or a list of which one must be the value. Of the further rules that
/// AWS has, none is needed.
fn check(pattern: &Json) -> Result<(), String> {
    match pattern {
        Json::Object(members) => members.values().try_for_each(check),
        Json::Array(values) if values.iter().all(|value| text(value).is_some() || value.is_null()) => Ok(()),
        other => Err(format!("{other} is not supported locally")),
    }
}

fn matches(pattern: &Json, value: Option<&Json>) -> bool {
    match pattern {
        Json::Object(members) => {
            members.iter().all(|(name, pattern)| matches(pattern, value.and_then(|value| value.get(name))))
        }
        Json::Array(values) => value.is_some_and(|value| values.contains(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn source(properties: &Json) -> Result<StreamSource, TemplateError> {
        let event =
            Object::new("template.yaml: F".into(), json!({"Type": "DynamoDB", "Properties": properties}));
        StreamSource::read("Outbox", &event.unwrap())
    }

    #[test]
    fn a_filter_takes_what_it_names_and_nothing_else() {
        let pattern = r#"{"eventName":["INSERT"],"dynamodb":{"NewImage":{"kind":{"S":["mail","post"]}}}}"#;
        let source = source(&json!({
            "StartingPosition": "LATEST", "FilterCriteria": {"Filters": [{"Pattern": pattern}]},
        }))
        .unwrap();
        let record = |event: &str, image: Json| json!({"eventName": event, "dynamodb": {"NewImage": image}});
        for (record, is_taken) in [
            (record("INSERT", json!({"kind": {"S": "mail"}, "more": {"N": "1"}})), true),
            (record("INSERT", json!({"kind": {"S": "post"}})), true),
            (record("MODIFY", json!({"kind": {"S": "mail"}})), false),
            (record("INSERT", json!({"kind": {"S": "mails"}})), false),
            (record("INSERT", json!({"kind": {"N": "mail"}})), false),
            (record("INSERT", json!({})), false),
            (json!({"eventName": "INSERT", "dynamodb": {"OldImage": {"kind": {"S": "mail"}}}}), false),
        ] {
            assert_eq!(source.takes(&record), is_taken, "{record}");
        }
    }

    #[test]
    fn what_is_not_said_is_as_on_aws() {
        let plain = source(&json!({"StartingPosition": "TRIM_HORIZON"})).unwrap();
        assert_eq!((plain.batch, plain.retries, plain.longest_age), (100, None, None));
        assert!(plain.from_beginning && !plain.bisects && !plain.reports && plain.takes(&json!({})));
        let none = source(&json!({"StartingPosition": "LATEST", "MaximumRetryAttempts": -1})).unwrap();
        assert_eq!(none.retries, None);
    }

    #[test]
    fn a_pattern_that_would_be_read_wrongly_is_refused() {
        for pattern in [r#"{"a":[{"exists":true}]}"#, r#"{"a":"b"}"#, "{"] {
            let wrong = source(&json!({
                "StartingPosition": "LATEST", "FilterCriteria": {"Filters": [{"Pattern": pattern}]},
            }));
            assert!(wrong.is_err(), "{pattern}");
        }
    }
}
