//! Calendar dates.

use std::fmt;

use jiff::civil;
use serde::{Deserialize, Deserializer, Serialize};

use crate::Invalid;
use crate::string_form::string_form;
use crate::timestamp::has_shape;

/// A date of the calendar without time or zone, `2026-01-25`, in the years 0 to 9999.
///
/// Its text has a fixed width, so that the order of texts is the order of dates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Date(civil::Date);

impl Date {
    /// A date that jiff has computed. Refused: `invalid_date`, before the year 0.
    pub fn from_civil(date: civil::Date) -> Result<Self, Invalid> {
        if date.year() >= 0 { Ok(Self(date)) } else { Err(malformed()) }
    }

    /// The last day of the year 9999.
    pub const MAX: Self = Self(civil::Date::MAX);

    /// The day after; [`Self::MAX`] has none, and is its own.
    #[must_use]
    pub fn next(self) -> Self {
        self.0.tomorrow().map_or(self, Self)
    }

    /// The date, to compute with.
    pub const fn as_civil(self) -> civil::Date {
        self.0
    }

    /// Reads `YYYY-MM-DD` ([RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) `full-date`).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        // jiff would also read forms of ISO 8601 that the API does not promise.
        if !has_shape(text.as_bytes(), b"0000-00-00") {
            return Err(malformed());
        }
        text.parse().map(Self).map_err(|_| malformed())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

string_form! {
    impl [] for Date;
    expecting = "a date";
    name = "Date";
    inline = false;
    schema = { "type": "string", "format": "date", "examples": ["2026-01-25"] };
}

/// The days from `start` to `end`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct DateRange {
    start: Date,
    end: Date,
}

impl DateRange {
    /// The days from `start` to `end`. Refused: `invalid_range`, when `end` is before `start`.
    pub fn new(start: Date, end: Date) -> Result<Self, Invalid> {
        if start <= end {
            Ok(Self { start, end })
        } else {
            Err(Invalid::new("invalid_range", "must end on or after the day it starts"))
        }
    }

    /// The first day.
    pub const fn start(self) -> Date {
        self.start
    }

    /// The last day.
    pub const fn end(self) -> Date {
        self.end
    }

    /// Whether `date` is one of the days.
    pub fn contains(self, date: Date) -> bool {
        (self.start..=self.end).contains(&date)
    }

    /// Whether a day is in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.start <= other.end && other.start <= self.end
    }
}

/// `2026-01-25/2026-01-31`, an interval of ISO 8601.
impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.start, self.end)
    }
}

impl<'de> Deserialize<'de> for DateRange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, expecting = "a range of dates")]
        struct Fields {
            start: Date,
            end: Date,
        }
        let fields = Fields::deserialize(deserializer)?;
        Self::new(fields.start, fields.end).map_err(Invalid::into_de_error)
    }
}

#[cfg(feature = "openapi")]
impl schemars::JsonSchema for DateRange {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DateRange".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "object",
            "description": "The days from start to end, both included",
            "properties": {
                "start": generator.subschema_for::<Date>(),
                "end": generator.subschema_for::<Date>(),
            },
            "required": ["start", "end"],
            "additionalProperties": false,
        })
    }
}

fn malformed() -> Invalid {
    Invalid::new("invalid_date", "must be a date such as 2026-01-25")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: &str, end: &str) -> Result<DateRange, Invalid> {
        DateRange::new(start.parse()?, end.parse()?)
    }

    #[test]
    fn dates_have_ten_characters() {
        for text in ["2026-01-25", "0000-01-01", "9999-12-31", "2024-02-29"] {
            assert_eq!(Date::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "2026-1-25",
            "20260125",
            "2026-02-29",
            "2026-13-01",
            "2026-01-25T00:00",
            "2026-W04-7",
            "26-01-25",
            "-000001-01-01",
            "2026/01/25",
            "٢٠٢٦-٠١-٢٥",
        ] {
            assert!(Date::parse(text).is_err(), "{text}");
        }
        assert!(Date::from_civil(civil::Date::MIN).is_err());
    }

    #[test]
    fn a_day_has_a_next_one() {
        for (day, next) in
            [("2026-01-31", "2026-02-01"), ("2024-02-28", "2024-02-29"), ("9999-12-31", "9999-12-31")]
        {
            assert_eq!(Date::parse(day).unwrap().next().to_string(), next);
        }
    }

    #[test]
    fn a_range_has_both_its_ends() {
        let week = range("2026-01-19", "2026-01-25").unwrap();
        let contains = |text: &str| week.contains(text.parse().unwrap());
        assert!(contains("2026-01-19") && contains("2026-01-25"));
        assert!(!contains("2026-01-18") && !contains("2026-01-26"));
        let overlaps = |start, end| week.overlaps(range(start, end).unwrap());
        assert!(overlaps("2026-01-25", "2026-02-01") && overlaps("2026-01-01", "2026-12-31"));
        assert!(!overlaps("2026-01-26", "2026-02-01") && !overlaps("2026-01-01", "2026-01-18"));
    }

    #[test]
    fn a_range_does_not_end_before_it_starts() {
        assert!(range("2026-01-25", "2026-01-25").is_ok());
        assert!(range("2026-01-25", "2026-01-24").is_err());
        let json = r#"{"start":"2026-01-25","end":"2026-01-24"}"#;
        let error = serde_json::from_str::<DateRange>(json).unwrap_err().to_string();
        let code = Invalid::from_de_message(&error).map(|(code, _)| code);
        assert_eq!(code.as_deref(), Some("invalid_range"));
    }

    #[test]
    fn json_of_a_range_has_start_and_end() {
        let json = r#"{"start":"2026-01-19","end":"2026-01-25"}"#;
        let week: DateRange = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&week).unwrap(), json);
        assert_eq!(week.to_string(), "2026-01-19/2026-01-25");
        let with_more = r#"{"start":"2026-01-19","end":"2026-01-25","days":7}"#;
        assert!(serde_json::from_str::<DateRange>(with_more).is_err());
    }
}
