//! Reading DynamoDB's expressions strictly: what is not understood is not guessed.

use std::borrow::Cow;

use super::body::{Attributes, Names, string};

/// Expressions nest no deeper than this, or are refused.
const MAX_DEPTH: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// A keyword, a function or an attribute's name.
    Word(&'a str),
    /// A placeholder for a name, with its `#`.
    Name(&'a str),
    /// A placeholder for a value, with its `:`.
    Value(&'a str),
    /// A number, in a list index.
    Number,
    /// A comparison.
    Compare(&'a str),
    /// Punctuation.
    Mark(char),
}

fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut found = Vec::with_capacity(16);
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let length = match first {
            '#' | ':' => 1 + rest[1..].chars().take_while(|c| is_name(*c)).count(),
            '<' | '>' if rest[1..].starts_with(['=', '>']) => 2,
            c if is_name(c) => rest.chars().take_while(|c| is_name(*c)).count(),
            _ => 1,
        };
        // Every character taken above is ASCII, and so is every one accepted below.
        let (token, after) = rest.split_at_checked(length)?;
        found.push(match first {
            '#' if length > 1 => Token::Name(token),
            ':' if length > 1 => Token::Value(token),
            '=' | '<' | '>' => Token::Compare(token),
            '(' | ')' | ',' | '.' | '[' | ']' | '+' | '-' => Token::Mark(first),
            c if c.is_ascii_digit() => token.bytes().all(|b| b.is_ascii_digit()).then_some(Token::Number)?,
            c if is_name(c) => Token::Word(token),
            _ => return None,
        });
        rest = after.trim_start();
    }
    Some(found)
}

/// An expression with what its placeholders stand for.
pub(super) struct Expression<'a, 'b> {
    tokens: Vec<Token<'b>>,
    next: usize,
    names: Option<&'b Names<'a>>,
    values: Option<&'b Attributes<'a>>,
}

/// An attribute of a key condition and, for an equality, what it must equal.
type KeyCondition<'b> = (Token<'b>, Option<Token<'b>>);

/// What an update sets one attribute to.
pub(super) enum Assignment<'a> {
    /// This string.
    String(Cow<'a, str>),
    /// Something that cannot be told before it is computed, or is no string.
    Unreadable,
}

impl<'a, 'b> Expression<'a, 'b> {
    pub(super) fn new(
        text: &'b str,
        names: Option<&'b Names<'a>>,
        values: Option<&'b Attributes<'a>>,
    ) -> Option<Self> {
        Some(Self { tokens: tokens(text)?, next: 0, names, values })
    }

    /// The string a key condition asks the partition key `attribute` to equal. `None` when that is
    /// not the one thing it says of the attribute, or the condition cannot be read to its end.
    pub(super) fn partition(mut self, attribute: &str) -> Option<Cow<'a, str>> {
        let mut conditions = Vec::with_capacity(2);
        self.conjunction(&mut conditions, 0)?;
        if self.next != self.tokens.len() {
            return None;
        }
        let mut found = None;
        for (name, equals) in conditions {
            if self.resolve(name)? == attribute && found.replace(self.string(equals?)?).is_some() {
                return None;
            }
        }
        found
    }

    fn conjunction(&mut self, found: &mut Vec<KeyCondition<'b>>, depth: usize) -> Option<()> {
        if depth > MAX_DEPTH {
            return None;
        }
        loop {
            if self.accept(Token::Mark('(')) {
                self.conjunction(found, depth + 1)?;
                self.accept(Token::Mark(')')).then_some(())?;
            } else {
                found.push(self.condition()?);
            }
            if !self.accept_word("AND") {
                return Some(());
            }
        }
    }

    fn condition(&mut self) -> Option<KeyCondition<'b>> {
        let name = self.attribute()?;
        if name == Token::Word("begins_with") && self.accept(Token::Mark('(')) {
            let name = self.attribute()?;
            self.accept(Token::Mark(',')).then_some(())?;
            self.value()?;
            self.accept(Token::Mark(')')).then_some(())?;
            return Some((name, None));
        }
        if self.accept_word("BETWEEN") {
            self.value()?;
            self.accept_word("AND").then_some(())?;
            self.value()?;
            return Some((name, None));
        }
        let Token::Compare(operator) = self.take()? else {
            return None;
        };
        let value = self.value()?;
        Some((name, (operator == "=").then_some(value)))
    }

    /// What the `SET` clause gives each of `attributes`, in an update that does nothing else to
    /// them but remove them. `None` when the expression cannot be read to its end.
    pub(super) fn assignments(mut self, attributes: &[&str]) -> Option<Vec<Assignment<'a>>> {
        let mut found = Vec::new();
        while self.next < self.tokens.len() {
            let clause = self.clause()?;
            loop {
                let root = self.attribute()?;
                let watched = attributes.contains(&self.resolve(root)?.as_ref());
                let nested = self.path_tail()?;
                let is_set = clause.eq_ignore_ascii_case("SET");
                if is_set {
                    (self.take()? == Token::Compare("=")).then_some(())?;
                }
                let operand = self.operand()?;
                if watched {
                    if is_set && !nested {
                        found.push(
                            operand
                                .and_then(|value| self.string(value))
                                .map_or(Assignment::Unreadable, Assignment::String),
                        );
                    } else if !clause.eq_ignore_ascii_case("REMOVE") || nested {
                        found.push(Assignment::Unreadable);
                    }
                }
                if !self.accept(Token::Mark(',')) {
                    break;
                }
            }
        }
        Some(found)
    }

    fn clause(&mut self) -> Option<&'b str> {
        match self.take()? {
            Token::Word(word) if is_clause(word) => Some(word),
            _ => None,
        }
    }

    /// The rest of a path: `.name` and `[0]`, any number of times. Whether there was any.
    fn path_tail(&mut self) -> Option<bool> {
        let start = self.next;
        loop {
            if self.accept(Token::Mark('.')) {
                self.attribute()?;
            } else if self.accept(Token::Mark('[')) {
                (self.take()? == Token::Number).then_some(())?;
                self.accept(Token::Mark(']')).then_some(())?;
            } else {
                return Some(self.next > start);
            }
        }
    }

    /// Skips what is up to the next comma or clause outside parentheses. `Some` of the token when
    /// it is a single one.
    #[expect(clippy::option_option, reason = "outside: read at all; inside: one token")]
    fn operand(&mut self) -> Option<Option<Token<'b>>> {
        let start = self.next;
        let mut open = 0_usize;
        while let Some(token) = self.tokens.get(self.next) {
            match token {
                Token::Mark('(') => open += 1,
                Token::Mark(')') => open = open.checked_sub(1)?,
                Token::Mark(',') if open == 0 => break,
                Token::Word(word) if open == 0 && is_clause(word) => break,
                Token::Compare(_) => return None,
                _ => {}
            }
            self.next += 1;
        }
        (open == 0).then(|| match &self.tokens[start..self.next] {
            [single] => Some(*single),
            _ => None,
        })
    }

    fn take(&mut self) -> Option<Token<'b>> {
        let token = self.tokens.get(self.next).copied()?;
        self.next += 1;
        Some(token)
    }

    fn accept(&mut self, expected: Token<'_>) -> bool {
        let found = self.tokens.get(self.next) == Some(&expected);
        self.next += usize::from(found);
        found
    }

    fn accept_word(&mut self, word: &str) -> bool {
        let found =
            matches!(self.tokens.get(self.next), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn attribute(&mut self) -> Option<Token<'b>> {
        self.take().filter(|token| matches!(token, Token::Word(_) | Token::Name(_)))
    }

    fn value(&mut self) -> Option<Token<'b>> {
        self.take().filter(|token| matches!(token, Token::Value(_)))
    }

    fn resolve(&self, token: Token<'b>) -> Option<Cow<'b, str>> {
        match token {
            Token::Word(name) => Some(Cow::Borrowed(name)),
            Token::Name(placeholder) => self.names?.get(placeholder).map(|name| Cow::Borrowed(name.as_ref())),
            _ => None,
        }
    }

    fn string(&self, token: Token<'b>) -> Option<Cow<'a, str>> {
        match token {
            Token::Value(placeholder) => string(self.values?.get(placeholder)?),
            _ => None,
        }
    }
}

fn is_clause(word: &str) -> bool {
    ["SET", "REMOVE", "ADD", "DELETE"].iter().any(|clause| word.eq_ignore_ascii_case(clause))
}
