//! Why a value was refused.

use std::borrow::Cow;

use serde::de;
use thiserror::Error;

/// Opens an encoded [`Invalid`], and parts its code from its message. A control character, because
/// no text of ours or of serde's begins with one.
const MARK: char = '\u{1}';

/// A value that breaks a rule of its type.
///
/// The message is for end users: it says what is wanted and never repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Error)]
#[error("{message}")]
pub struct Invalid {
    code: &'static str,
    message: Cow<'static, str>,
}

impl Invalid {
    /// A refusal with a stable `snake_case` code for programs and a message for people.
    pub fn new(code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// The stable code, such as `too_long`.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// What is wanted, for an end user.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Carries this refusal through serde, whose errors are only text.
    ///
    /// [`Invalid::from_de_message`] takes it out again.
    pub fn into_de_error<E: de::Error>(self) -> E {
        E::custom(format_args!("{MARK}{}{MARK}{}", self.code, self.message))
    }

    /// The code and message of an [`Invalid`] that came through serde, from the error's text.
    ///
    /// `None` for an error that serde itself raised. `serde_json` may append
    /// ` at line 1 column 2`, which is not part of the message.
    pub fn from_de_message(text: &str) -> Option<(String, String)> {
        // Only at the start: elsewhere it could be text of the sender that serde quotes.
        let (code, message) = text.strip_prefix(MARK)?.split_once(MARK)?;
        Some((code.to_owned(), without_position(message).to_owned()))
    }
}

/// `text` without the position that `serde_json` appends, in exactly its form.
fn without_position(text: &str) -> &str {
    let position = || {
        let (rest, column) = text.rsplit_once(" column ")?;
        let (message, line) = rest.rsplit_once(" at line ")?;
        (is_number(line) && is_number(column)).then_some(message)
    };
    position().unwrap_or(text)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through_serde_json(invalid: Invalid) -> String {
        invalid.into_de_error::<serde_json::Error>().to_string()
    }

    #[test]
    fn a_refusal_survives_serde() {
        let text = through_serde_json(Invalid::new("too_long", "must be short"));
        assert_eq!(
            Invalid::from_de_message(&text),
            Some(("too_long".to_owned(), "must be short".to_owned()))
        );
    }

    #[test]
    fn the_position_is_stripped_only_in_its_exact_form() {
        let message = |text: &str| Invalid::from_de_message(text).map(|(_, message)| message);
        for (encoded, expected) in [
            ("\u{1}c\u{1}m at line 1 column 23", "m"),
            ("\u{1}c\u{1}m at line x column 2", "m at line x column 2"),
            ("\u{1}c\u{1}m at line  column 2", "m at line  column 2"),
            ("\u{1}c\u{1}m at line 1 column 2.", "m at line 1 column 2."),
            ("\u{1}c\u{1}stand at line 4", "stand at line 4"),
        ] {
            assert_eq!(message(encoded).as_deref(), Some(expected));
        }
    }

    #[test]
    fn an_error_of_serde_itself_is_not_a_refusal() {
        for text in ["invalid type: null", "", "\u{1}", "unknown field `\u{1}a\u{1}b`"] {
            assert_eq!(Invalid::from_de_message(text), None);
        }
    }
}
