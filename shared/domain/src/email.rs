//! E-mail addresses.

use crate::Invalid;
use crate::hostname;
use crate::string_form::{display_as_str, string_form};
use crate::text::{normalised, too_long};

/// The longest address that fits the path of [RFC 5321] § 4.5.3.1.3.
///
/// [RFC 5321]: https://www.rfc-editor.org/rfc/rfc5321
const MAX: usize = 254;
/// [RFC 5321](https://www.rfc-editor.org/rfc/rfc5321) § 4.5.3.1.1.
const MAX_LOCAL: usize = 64;

/// An address that mail can be sent to, in lower case: two addresses are the same when they differ
/// only in case.
///
/// Narrower than RFC 5321 where it pays: no quoted local parts, no address literals, ASCII only
/// (an internationalised domain is written in punycode).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Email(Box<str>);

impl Email {
    /// Trims and lower-cases `text`.
    ///
    /// Refused: `empty`, `too_long`, `invalid_character` (not ASCII), `invalid_email`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = normalised(text);
        if text.is_empty() {
            return Err(Invalid::new("empty", "must not be empty"));
        }
        let (local, domain) = text.rsplit_once('@').ok_or_else(malformed)?;
        if !domain.is_ascii() {
            return Err(Invalid::new(
                "invalid_character",
                "must have its domain in ASCII, such as xn--bcher-kva.example for bücher.example",
            ));
        }
        if !local.is_ascii() {
            return Err(Invalid::new("invalid_character", "must have only ASCII characters before the @"));
        }
        if text.len() > MAX {
            return Err(too_long(MAX));
        }
        if !is_local_part(local) || !hostname::is_fully_qualified(domain) {
            return Err(malformed());
        }
        Ok(Self(text.to_ascii_lowercase().into()))
    }

    /// The address, in lower case.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

display_as_str!(impl [] for Email);
string_form! {
    impl [] for Email;
    expecting = "an e-mail address";
    name = "Email";
    inline = false;
    schema = {
        "type": "string",
        "format": "email",
        "maxLength": MAX,
        "examples": ["name@example.com"],
    };
}

/// A dot-atom ([RFC 5322](https://www.rfc-editor.org/rfc/rfc5322) § 3.2.3).
fn is_local_part(local: &str) -> bool {
    let is_atom_character = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte);
    local.len() <= MAX_LOCAL
        && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(is_atom_character))
}

fn malformed() -> Invalid {
    Invalid::new("invalid_email", "must be an e-mail address such as name@example.com")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> Result<Email, &'static str> {
        Email::parse(text).map_err(|invalid| invalid.code())
    }

    #[test]
    fn an_address_is_trimmed_and_lower_cased() {
        let email = Email::parse(" Ada.Lovelace+CRM@Example.COM ").unwrap();
        assert_eq!(email.as_str(), "ada.lovelace+crm@example.com");
        assert_eq!(email, "ada.lovelace+crm@EXAMPLE.com".parse().unwrap());
    }

    #[test]
    fn usual_and_unusual_addresses_are_accepted() {
        for text in [
            "a@b.co",
            "o'brien@example.ie",
            "x_y-z=1@sub.domain.example",
            "1@1.com",
            "info@xn--bcher-kva.example",
            "a@b.xn--p1ai",
        ] {
            assert!(code(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn malformed_addresses_are_refused() {
        for text in [
            "ada",
            "@",
            "a@",
            "@b.co",
            "a@b",
            "a@@b.co",
            "a@b@c.co",
            ".a@b.co",
            "a.@b.co",
            "a..b@c.co",
            "a b@c.co",
            "\"a b\"@c.co",
            "a@-b.co",
            "a@b-.co",
            "a@b..co",
            "a@b.co.",
            "a@.co",
            "a@1.2.3.4",
            "a@[1.2.3.4]",
            "a\n@b.co",
            "a@b.co\0",
            "<a@b.co>",
            "a@b_c.co",
            "a@xn--.co",
            "a,b@c.co",
        ] {
            assert_eq!(code(text), Err("invalid_email"), "{text}");
        }
        assert_eq!(code(" "), Err("empty"));
        assert_eq!(code("a@bücher.example"), Err("invalid_character"));
        assert_eq!(code("jörg@example.com"), Err("invalid_character"));
    }

    #[test]
    fn lengths_are_those_of_rfc_5321() {
        let with_local = |length| format!("{}@example.com", "a".repeat(length));
        assert!(code(&with_local(64)).is_ok());
        assert_eq!(code(&with_local(65)), Err("invalid_email"));
        let label = "b".repeat(63);
        let of_254 = format!("{}@{label}.{label}.{}.com", "a".repeat(60), "b".repeat(61));
        assert_eq!(of_254.len(), 254);
        assert!(code(&of_254).is_ok());
        assert_eq!(code(&format!("a{of_254}")), Err("too_long"));
        assert_eq!(code(&format!("a@{}.com", "b".repeat(64))), Err("invalid_email"));
    }
}
