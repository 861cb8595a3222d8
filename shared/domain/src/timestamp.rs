//! Instants.

use std::fmt;
use std::time::Duration;

use jiff::fmt::temporal::DateTimePrinter;

use crate::string_form::string_form;
use crate::{Date, Invalid};

/// `0000-01-01T00:00:00.000Z`: [RFC 3339] has years of four digits.
///
/// [RFC 3339]: https://www.rfc-editor.org/rfc/rfc3339
const MIN_MILLIS: i64 = -62_167_219_200_000;
/// `9999-12-30T21:59:59.999Z`, the last whole second before jiff's bound, which leaves room for
/// any offset.
const MAX_MILLIS: i64 = 253_402_207_199_999;

/// Three digits of fraction, always.
const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(3));

/// An instant in UTC, to the millisecond.
///
/// Its text, [RFC 3339] as `2026-01-25T10:00:00.000Z`, has a fixed width, so that the order of
/// texts is the order of instants and the table can sort by it. There is no clock here: the caller
/// passes the time.
///
/// [RFC 3339]: https://www.rfc-editor.org/rfc/rfc3339
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest one, in the year 0.
    pub const MIN: Self = Self(MIN_MILLIS);
    /// The latest one, in the year 9999.
    pub const MAX: Self = Self(MAX_MILLIS);

    /// The instant at `millis` milliseconds of Unix time; one outside of [`Self::MIN`] to
    /// [`Self::MAX`] becomes the nearer of the two.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < MIN_MILLIS {
            Self::MIN
        } else if millis > MAX_MILLIS {
            Self::MAX
        } else {
            Self(millis)
        }
    }

    /// Milliseconds of Unix time.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds of Unix time, rounded down.
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The instant `duration` later, at most [`Self::MAX`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(whole_millis(duration)))
    }

    /// The instant `duration` earlier, at least [`Self::MIN`].
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(whole_millis(duration)))
    }

    /// The time since `earlier`; zero if that is later.
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    /// The day it is on, in UTC.
    pub fn date(self) -> Date {
        let instant = jiff::Timestamp::from_millisecond(self.0).unwrap_or_default();
        Date::from_civil(instant.to_zoned(jiff::tz::TimeZone::UTC).date()).unwrap_or(Date::MAX)
    }

    /// Reads RFC 3339 with any offset and up to nine digits of fraction; what is finer than a
    /// millisecond is cut off.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if !is_rfc_3339(text.as_bytes()) {
            return Err(malformed());
        }
        let instant: jiff::Timestamp = text.parse().map_err(|_| malformed())?;
        let millis = i64::try_from(instant.as_nanosecond().div_euclid(1_000_000)).map_err(|_| malformed())?;
        if (MIN_MILLIS..=MAX_MILLIS).contains(&millis) { Ok(Self(millis)) } else { Err(malformed()) }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_millisecond(self.0).map_err(|_| fmt::Error)?;
        PRINTER.print_timestamp(&instant, jiff::fmt::StdFmtWrite(f)).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

string_form! {
    impl [] for Timestamp;
    expecting = "an instant";
    name = "Timestamp";
    inline = false;
    schema = {
        "type": "string",
        "format": "date-time",
        "examples": ["2026-01-25T10:00:00.000Z"],
    };
}

fn whole_millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Whether `text` has the shape of RFC 3339 § 5.6, whose `T` and `Z` may be lower-case. jiff checks
/// the numbers, but would also take forms of ISO 8601 and RFC 9557 that are not RFC 3339.
fn is_rfc_3339(text: &[u8]) -> bool {
    let Some((start, rest)) = text.split_first_chunk::<19>() else {
        return false;
    };
    let rest = match rest.strip_prefix(b".") {
        None => rest,
        Some(fraction) => {
            let digits = fraction.iter().take_while(|byte| byte.is_ascii_digit()).count();
            if !(1..=9).contains(&digits) {
                return false;
            }
            &fraction[digits..]
        }
    };
    has_shape(start, b"0000-00-00T00:00:00")
        && (has_shape(rest, b"Z") || has_shape(rest, b"+00:00") || has_shape(rest, b"-00:00"))
}

/// Whether `text` is `shape`, where `0` stands for any digit and letters for either case.
pub(crate) fn has_shape(text: &[u8], shape: &[u8]) -> bool {
    text.len() == shape.len()
        && text.iter().zip(shape).all(|(byte, expected)| match expected {
            b'0' => byte.is_ascii_digit(),
            _ => byte.eq_ignore_ascii_case(expected),
        })
}

fn malformed() -> Invalid {
    Invalid::new("invalid_timestamp", "must be an instant such as 2026-01-25T10:00:00Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_with_milliseconds_and_a_fixed_width() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_769_335_200_000, "2026-01-25T10:00:00.000Z"),
            (1_769_335_200_007, "2026-01-25T10:00:00.007Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (i64::MIN, "0000-01-01T00:00:00.000Z"),
            (i64::MAX, "9999-12-30T21:59:59.999Z"),
        ] {
            let timestamp = Timestamp::from_millis(millis);
            assert_eq!(timestamp.to_string(), text);
            assert_eq!(Timestamp::parse(text), Ok(timestamp));
        }
    }

    #[test]
    fn any_offset_and_precision_is_read() {
        let expected = Timestamp::from_millis(1_769_335_200_120);
        for text in [
            "2026-01-25T10:00:00.12Z",
            "2026-01-25t10:00:00.120z",
            "2026-01-25T11:00:00.120999+01:00",
            "2026-01-25T04:30:00.120999999-05:30",
            "2026-01-25T10:00:00.12-00:00",
        ] {
            assert_eq!(Timestamp::parse(text), Ok(expected), "{text}");
        }
        // Cut off towards the past, before the epoch as after it.
        let before = Timestamp::parse("1969-12-31T23:59:59.9999Z").unwrap();
        assert_eq!(before.as_millis(), -1);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "now",
            "2026-01-25",
            "2026-01-25T10:00Z",
            "2026-01-25T10:00:00",
            "2026-01-25 10:00:00Z",
            "2026-02-30T10:00:00Z",
            "2026-01-25T24:00:00Z",
            "2026-01-25T10:00:00.Z",
            "2026-01-25T10:00:00.1234567890Z",
            "2026-01-25T10:00:00+0100",
            "2026-01-25T10:00:00Z[UTC]",
            "20260125T100000Z",
            "-000001-01-25T10:00:00Z",
            "9999-12-31T23:59:59Z",
            "0000-01-01T00:00:00+01:00",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_added_within_bounds() {
        let noon = Timestamp::from_millis(1_500);
        assert_eq!(noon.as_seconds(), 1);
        assert_eq!(Timestamp::from_millis(-1).as_seconds(), -1);
        assert_eq!(noon.saturating_add(Duration::from_secs(1)).as_millis(), 2_500);
        assert_eq!(noon.saturating_sub(Duration::from_secs(1)).as_millis(), 500);
        assert_eq!(noon.saturating_add(Duration::MAX), Timestamp::MAX);
        assert_eq!(noon.saturating_sub(Duration::MAX), Timestamp::MIN);
        let later = noon.saturating_add(Duration::from_millis(7));
        assert_eq!(later.saturating_since(noon), Duration::from_millis(7));
        assert_eq!(noon.saturating_since(later), Duration::ZERO);
    }
}
