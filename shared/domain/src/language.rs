//! Languages.

use std::iter::Peekable;
use std::str::Split;

use crate::Invalid;
use crate::string_form::{display_as_str, string_form};

/// What [RFC 5646] § 4.4.1 asks every implementation to have room for.
///
/// [RFC 5646]: https://www.rfc-editor.org/rfc/rfc5646
const MAX: usize = 35;

/// A language tag of BCP 47 ([RFC 5646]), such as `de`, `pt-BR` or `zh-Hant-TW`, in the usual case.
///
/// Well-formed, which does not mean that its subtags are registered. The irregular tags of before
/// 2006 (`i-klingon`) and tags for private use alone (`x-…`) are refused.
///
/// [RFC 5646]: https://www.rfc-editor.org/rfc/rfc5646
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LanguageTag(Box<str>);

impl LanguageTag {
    /// Reads a tag in any case. Refused: `invalid_language`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        if text.len() <= MAX && is_well_formed(text) {
            Ok(Self(in_usual_case(text).into()))
        } else {
            Err(Invalid::new("invalid_language", "must be a language tag such as en, de or pt-BR"))
        }
    }

    /// The tag.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

display_as_str!(impl [] for LanguageTag);
string_form! {
    impl [] for LanguageTag;
    expecting = "a language tag";
    name = "LanguageTag";
    inline = false;
    schema = {
        "type": "string",
        "description": "BCP 47",
        "maxLength": MAX,
        "pattern": "^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$",
        "examples": ["en", "pt-BR"],
    };
}

type Subtags<'a> = Peekable<Split<'a, char>>;

/// The grammar of RFC 5646 § 2.1, `langtag`.
fn is_well_formed(text: &str) -> bool {
    let mut subtags: Subtags<'_> = text.split('-').peekable();
    let Some(language) = subtags.next().filter(|it| is_alpha(it)) else {
        return false;
    };
    match language.len() {
        // Followed by up to three extended language subtags.
        2 | 3 => {
            take(&mut subtags, 3, |it| it.len() == 3 && is_alpha(it));
        }
        5..=8 => {}
        _ => return false,
    }
    take(&mut subtags, 1, |it| it.len() == 4 && is_alpha(it));
    take(&mut subtags, 1, is_region);
    let mut variants: Vec<&str> = Vec::new();
    while let Some(variant) = subtags.next_if(|it| is_variant(it)) {
        if variants.iter().any(|it| variant.eq_ignore_ascii_case(it)) {
            return false;
        }
        variants.push(variant);
    }
    has_only_extensions(subtags)
}

/// Whether the rest is extensions, each of another singleton, and then perhaps private use.
fn has_only_extensions(mut subtags: Subtags<'_>) -> bool {
    let mut singletons = Vec::new();
    while let Some(singleton) = subtags.next() {
        let &[byte] = singleton.as_bytes() else {
            return false;
        };
        let byte = byte.to_ascii_lowercase();
        if !byte.is_ascii_alphanumeric() || singletons.contains(&byte) {
            return false;
        }
        singletons.push(byte);
        let shortest = if byte == b'x' { 1 } else { 2 };
        let is_part = |it: &str| (shortest..=8).contains(&it.len()) && is_alphanumeric(it);
        if take(&mut subtags, usize::MAX, is_part) == 0 {
            return false;
        }
        if byte == b'x' {
            return subtags.next().is_none();
        }
    }
    true
}

/// Skips up to `most` subtags that are `wanted`, and tells how many.
fn take(subtags: &mut Subtags<'_>, most: usize, wanted: impl Fn(&str) -> bool) -> usize {
    let mut taken = 0;
    while taken < most && subtags.next_if(|it| wanted(it)).is_some() {
        taken += 1;
    }
    taken
}

fn is_region(subtag: &str) -> bool {
    match subtag.len() {
        2 => is_alpha(subtag),
        3 => subtag.bytes().all(|byte| byte.is_ascii_digit()),
        _ => false,
    }
}

fn is_variant(subtag: &str) -> bool {
    is_alphanumeric(subtag)
        && match subtag.len() {
            4 => subtag.starts_with(|c: char| c.is_ascii_digit()),
            5..=8 => true,
            _ => false,
        }
}

fn is_alpha(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

fn is_alphanumeric(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// RFC 5646 § 2.1.1: lower case, but `BR` and `Hant` unless first or within an extension.
fn in_usual_case(text: &str) -> String {
    let mut tag = String::with_capacity(text.len());
    let mut within_extension = false;
    for (index, subtag) in text.split('-').enumerate() {
        let mut subtag = subtag.to_ascii_lowercase();
        if index > 0 {
            tag.push('-');
            match subtag.len() {
                1 => within_extension = true,
                2 if !within_extension => subtag.make_ascii_uppercase(),
                4 if !within_extension => subtag[..1].make_ascii_uppercase(),
                _ => {}
            }
        }
        tag.push_str(&subtag);
    }
    tag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_get_their_usual_case() {
        for (text, expected) in [
            ("DE", "de"),
            (" pt-br ", "pt-BR"),
            ("ZH-hant-tw", "zh-Hant-TW"),
            ("zh-cmn-hans-cn", "zh-cmn-Hans-CN"),
            ("es-419", "es-419"),
            ("sl-rozaj-biske-1994", "sl-rozaj-biske-1994"),
            ("en-US-u-islamcal-CA", "en-US-u-islamcal-ca"),
            ("de-DE-u-co-PHONEBK-x-AB", "de-DE-u-co-phonebk-x-ab"),
        ] {
            assert_eq!(LanguageTag::parse(text).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn malformed_tags_are_refused() {
        for text in [
            "",
            "e",
            "engl",
            "en_US",
            "en-",
            "-en",
            "en--US",
            "en-US-GB",
            "de-419-DE",
            "en-a",
            "en-a-b",
            "de-DE-1901-1901",
            "en-a-bb-A-cc",
            "x-private",
            "i-klingon",
            "englischer",
            "en-x",
            "en-123456789",
            "ünglish",
            "en-US\n-x",
            "en-x-a-",
            "en-US-u-aaaaaaaa-bbbbbbbb-cccccccc-dd",
        ] {
            let refusal = LanguageTag::parse(text).map_err(|invalid| invalid.code());
            assert_eq!(refusal, Err("invalid_language"), "{text}");
        }
    }
}
