//! Telephone numbers.

use crate::Invalid;
use crate::string_form::{display_as_str, string_form};
use crate::text::trimmed;

/// The fewest digits of a number that is dialled across borders, country code included: those of
/// small islands, such as +683 4000 on Niue.
const MIN_DIGITS: usize = 7;
/// [ITU-T E.164](https://www.itu.int/rec/T-REC-E.164) § 6.2.1.
const MAX_DIGITS: usize = 15;

/// An international number in E.164 form: `+`, then country code and number without separators.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Phone(Box<str>);

impl Phone {
    /// Reads a number with its country code, and drops spaces, dots, dashes and parentheses.
    ///
    /// Refused: `empty`, `invalid_phone`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = trimmed(text);
        if text.is_empty() {
            return Err(Invalid::new("empty", "must not be empty"));
        }
        let Some(number) = text.strip_prefix('+') else {
            return Err(malformed("must begin with + and the country code, such as +49 30 901820"));
        };
        if has_trunk_zero(number) {
            // Dropping only the parentheses would make it another number.
            return Err(malformed("must leave out the (0), which is not dialled from abroad"));
        }
        let mut canonical = String::with_capacity(1 + MAX_DIGITS);
        canonical.push('+');
        for c in number.chars() {
            if c.is_ascii_digit() && canonical.len() <= MAX_DIGITS {
                canonical.push(c);
            } else if !is_separator(c) {
                return Err(not_a_number());
            }
        }
        let digits = canonical.len() - 1;
        if digits < MIN_DIGITS || canonical.starts_with("+0") {
            return Err(not_a_number());
        }
        Ok(Self(canonical.into()))
    }

    /// The number, such as `+4930901820`.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

display_as_str!(impl [] for Phone);
string_form! {
    impl [] for Phone;
    expecting = "a phone number";
    name = "Phone";
    inline = false;
    schema = {
        "type": "string",
        "description": "E.164. Spaces, dots, dashes and parentheses are dropped.",
        "pattern": "^\\+[1-9][0-9]{6,14}$",
        "examples": ["+4930901820"],
    };
}

/// Whether `number` carries the prefix of calls within the country, as in `+49 (0)30 901820`.
fn has_trunk_zero(number: &str) -> bool {
    number
        .split_once('(')
        .is_some_and(|(_, rest)| rest.split_once(')').is_some_and(|(inner, _)| inner.trim() == "0"))
}

fn is_separator(c: char) -> bool {
    // With the no-break space and the dashes that word processors put in.
    matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '.' | '-' | '\u{2010}'..='\u{2013}' | '(' | ')')
}

fn not_a_number() -> Invalid {
    malformed("must be a phone number with country code, such as +49 30 901820")
}

fn malformed(message: &'static str) -> Invalid {
    Invalid::new("invalid_phone", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_dropped() {
        for text in ["+4930901820", " +49 30 901820 ", "+49 (30) 90-18.20", "+49\u{a0}30\u{2011}901820"] {
            assert_eq!(Phone::parse(text).unwrap().as_str(), "+4930901820");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "030901820",
            "004930901820",
            "+",
            "+49",
            "+123456",
            "+1234567890123456",
            "+0930901820",
            "+49 30 901820 ext. 5",
            "+49/30/901820",
            "++4930901820",
            "+49٣٠٩٠١٨٢٠",
            "+49\t30901820",
            "+49 (0)30 901820",
            "+49 ( 0 ) 30 901820",
        ] {
            let refusal = Phone::parse(text).map_err(|invalid| invalid.code());
            assert_eq!(refusal, Err("invalid_phone"), "{text}");
        }
        assert!(Phone::parse("+1234567").is_ok());
        assert!(Phone::parse("+123456789012345").is_ok());
    }
}
