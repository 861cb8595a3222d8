//! Text that people typed: trimmed, NFC-normalised and free of control characters.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::Invalid;
use crate::string_form::{display_as_str, string_form};

/// One line of 1 to `MAX` characters (Unicode scalar values, counted after normalisation).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const MAX: usize>(Box<str>);

impl<const MAX: usize> Text<MAX> {
    /// Trims and normalises `text`.
    ///
    /// Refused: `empty`, `too_long`, `invalid_character` (control characters and line breaks).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = normalised(text);
        if text.chars().any(breaks_line_or_is_control) {
            return Err(Invalid::new(
                "invalid_character",
                "must be a single line without control characters",
            ));
        }
        within(&text, MAX)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

display_as_str!(impl [const MAX: usize] for Text<MAX>);
string_form! {
    impl [const MAX: usize] for Text<MAX>;
    expecting = "a string";
    name = format!("Text{MAX}");
    inline = true;
    schema = { "type": "string", "minLength": 1, "maxLength": MAX };
}

/// Lines of together 1 to `MAX` characters (Unicode scalar values, counted after normalisation).
/// Lines end with `\n`, whatever they ended with before.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MultilineText<const MAX: usize>(Box<str>);

impl<const MAX: usize> MultilineText<MAX> {
    /// Trims and normalises `text`.
    ///
    /// Refused: `empty`, `too_long`, `invalid_character` (control characters but newline and tab).
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let text = with_unix_lines(normalised(text));
        if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
            return Err(Invalid::new(
                "invalid_character",
                "must not contain control characters other than line breaks and tabs",
            ));
        }
        within(&text, MAX)?;
        Ok(Self(text.into()))
    }

    /// The text.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

display_as_str!(impl [const MAX: usize] for MultilineText<MAX>);
string_form! {
    impl [const MAX: usize] for MultilineText<MAX>;
    expecting = "a string";
    name = format!("MultilineText{MAX}");
    inline = true;
    schema = { "type": "string", "minLength": 1, "maxLength": MAX };
}

/// `text` without blank edges, in [NFC](https://www.unicode.org/reports/tr15/).
pub(crate) fn normalised(text: &str) -> Cow<'_, str> {
    let text = trimmed(text);
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => Cow::Borrowed(text),
        IsNormalized::No | IsNormalized::Maybe => Cow::Owned(text.nfc().collect()),
    }
}

/// `text` without blank edges.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// White space, and the invisible characters that come along with text copied from spreadsheets
/// and web pages: a name made of those alone would look empty.
fn is_blank(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}')
}

/// Control characters (general category Cc), and U+2028 and U+2029, which break a line too.
fn breaks_line_or_is_control(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn with_unix_lines(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { text }
}

/// Refuses `text` unless it has 1 to `max` characters.
fn within(text: &str, max: usize) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::new("empty", "must not be empty"));
    }
    // No character takes less than a byte: most texts are not counted at all.
    if text.len() > max && text.chars().count() > max {
        return Err(too_long(max));
    }
    Ok(())
}

/// The refusal of a text of more than `max` characters.
pub(crate) fn too_long(max: usize) -> Invalid {
    let unit = if max == 1 { "character" } else { "characters" };
    Invalid::new("too_long", format!("must be at most {max} {unit} long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code<T>(result: Result<T, Invalid>) -> Result<T, &'static str> {
        result.map_err(|invalid| invalid.code())
    }

    #[test]
    fn text_is_trimmed_and_normalised() {
        for (raw, expected) in [
            ("  Müller & Söhne\t", "Müller & Söhne"),
            ("\u{feff}Cafe\u{301}\u{200b}", "Café"),
            ("\u{a0}東京\u{3000}", "東京"),
            ("a  b", "a  b"),
        ] {
            assert_eq!(Text::<20>::parse(raw).unwrap().as_str(), expected);
            assert_eq!(MultilineText::<20>::parse(raw).unwrap().as_str(), expected);
        }
    }

    #[test]
    fn length_is_counted_in_characters_after_normalisation() {
        assert!(Text::<4>::parse("Cafe\u{301}").is_ok());
        assert!(Text::<2>::parse("😀😀").is_ok());
        assert_eq!(code(Text::<2>::parse("😀😀😀")), Err("too_long"));
        assert_eq!(code(Text::<2>::parse(" \u{200b} ")), Err("empty"));
        assert_eq!(
            Text::<2>::parse("abc").map_err(|it| it.message().to_owned()),
            Err("must be at most 2 characters long".to_owned())
        );
    }

    #[test]
    fn control_characters_are_refused() {
        for raw in ["a\0b", "a\u{1b}[0m", "a\nb", "a\tb", "a\u{2028}b", "a\u{85}b"] {
            assert_eq!(code(Text::<20>::parse(raw)), Err("invalid_character"));
        }
        for raw in ["a\0b", "a\u{1b}[0m", "a\u{85}b", "a\u{b}b"] {
            assert_eq!(code(MultilineText::<20>::parse(raw)), Err("invalid_character"));
        }
    }

    #[test]
    fn multi_line_text_keeps_lines_and_tabs() {
        let text = MultilineText::<20>::parse("a\r\nb\rc\n\td\n").unwrap();
        assert_eq!(text.as_str(), "a\nb\nc\n\td");
    }

    #[test]
    fn a_refusal_in_json_carries_its_code() {
        let error = serde_json::from_str::<Text<2>>(r#""abc""#).unwrap_err();
        assert_eq!(
            Invalid::from_de_message(&error.to_string()),
            Some(("too_long".into(), "must be at most 2 characters long".into()))
        );
        let error = serde_json::from_str::<Text<2>>("1").unwrap_err();
        assert_eq!(Invalid::from_de_message(&error.to_string()), None);
    }
}
