//! IAM's patterns: `*`, `?` and `${variables}`.

use std::collections::BTreeMap;

/// A string of a policy, split into what must match literally and what may vary.
///
/// A variable's value is always literal: an account named `*` matches only itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// These characters.
    Literal(String),
    /// Any number of characters, also none (`*`).
    Any,
    /// Exactly one character (`?`).
    One,
    /// The value of a policy variable, such as `aws:PrincipalTag/account`.
    Variable(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    Any,
    One,
}

impl Pattern {
    /// Reads a pattern. `${*}`, `${?}` and `${$}` stand for the character itself, as in IAM; a `${`
    /// without its `}` is literal.
    pub fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some((variable, after)) = rest.strip_prefix("${").and_then(|inside| inside.split_once('}'))
            {
                rest = after;
                if matches!(variable, "*" | "?" | "$") {
                    literal.push_str(variable);
                } else {
                    flush(&mut literal, &mut pieces);
                    pieces.push(Piece::Variable(variable.to_owned()));
                }
                continue;
            }
            rest = &rest[c.len_utf8()..];
            match c {
                '*' => {
                    flush(&mut literal, &mut pieces);
                    pieces.push(Piece::Any);
                }
                '?' => {
                    flush(&mut literal, &mut pieces);
                    pieces.push(Piece::One);
                }
                other => literal.push(other),
            }
        }
        flush(&mut literal, &mut pieces);
        Self { pieces }
    }

    /// Whether `value` matches, with the variables replaced by the caller's `tags`.
    ///
    /// # Errors
    /// A variable that has no value, or is not a tag: the evaluation must be refused.
    pub fn matches(&self, value: &str, tags: &BTreeMap<String, String>) -> Result<bool, String> {
        let tokens = self.tokens(tags)?;
        Ok(glob(&tokens, &value.chars().collect::<Vec<_>>()))
    }

    /// Whether `value` equals the pattern, in which only variables are replaced.
    ///
    /// # Errors
    /// As for [`Pattern::matches`].
    pub fn equals(&self, value: &str, tags: &BTreeMap<String, String>) -> Result<bool, String> {
        let mut expected = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => expected.push_str(text),
                Piece::Any => expected.push('*'),
                Piece::One => expected.push('?'),
                Piece::Variable(name) => expected.push_str(variable(name, tags)?),
            }
        }
        Ok(expected == value)
    }

    /// Whether `value` matches whatever its case; for actions, where IAM knows no variables.
    pub fn matches_ignoring_case(&self, value: &str) -> bool {
        let mut tokens = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => {
                    tokens.extend(text.chars().map(|c| Token::Char(c.to_ascii_lowercase())));
                }
                Piece::Any => tokens.push(Token::Any),
                Piece::One => tokens.push(Token::One),
                Piece::Variable(_) => return false,
            }
        }
        let value: Vec<char> = value.chars().map(|c| c.to_ascii_lowercase()).collect();
        glob(&tokens, &value)
    }

    fn tokens(&self, tags: &BTreeMap<String, String>) -> Result<Vec<Token>, String> {
        let mut tokens = Vec::with_capacity(64);
        for piece in &self.pieces {
            match piece {
                Piece::Literal(text) => tokens.extend(text.chars().map(Token::Char)),
                Piece::Any => tokens.push(Token::Any),
                Piece::One => tokens.push(Token::One),
                Piece::Variable(name) => {
                    tokens.extend(variable(name, tags)?.chars().map(Token::Char));
                }
            }
        }
        Ok(tokens)
    }
}

fn flush(literal: &mut String, pieces: &mut Vec<Piece>) {
    if !literal.is_empty() {
        pieces.push(Piece::Literal(std::mem::take(literal)));
    }
}

fn variable<'a>(name: &str, tags: &'a BTreeMap<String, String>) -> Result<&'a str, String> {
    let tag =
        principal_tag(name).ok_or_else(|| format!("the policy variable ${{{name}}} is not known here"))?;
    tag_value(tag, tags).ok_or_else(|| format!("the policy variable ${{{name}}} has no value"))
}

/// The tag that a key such as `aws:PrincipalTag/account` names. Keys have no case in IAM.
pub(super) fn principal_tag(key: &str) -> Option<&str> {
    const PREFIX: &str = "aws:PrincipalTag/";
    let (prefix, tag) = key.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(tag)
}

/// The value of a tag, whose name has no case.
pub(super) fn tag_value<'a>(name: &str, tags: &'a BTreeMap<String, String>) -> Option<&'a str> {
    tags.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// Matches in one pass with one point to go back to: linear in practice, never exponential.
fn glob(pattern: &[Token], value: &[char]) -> bool {
    let (mut p, mut v) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while v < value.len() {
        match pattern.get(p) {
            Some(Token::Any) => {
                back = Some((p + 1, v));
                p += 1;
                continue;
            }
            Some(Token::One) => {
                p += 1;
                v += 1;
                continue;
            }
            Some(Token::Char(c)) if *c == value[v] => {
                p += 1;
                v += 1;
                continue;
            }
            _ => {}
        }
        let Some((after, taken)) = back else {
            return false;
        };
        back = Some((after, taken + 1));
        p = after;
        v = taken + 1;
    }
    pattern[p..].iter().all(|token| *token == Token::Any)
}
