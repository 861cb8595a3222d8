//! Which passwords are too easy to guess, besides those that are too short.

use nexo_domain::Invalid;

use crate::blocklist::Blocklist;

/// Why a password is easy to guess. At 15 characters nobody guesses letter by letter; what is left to
/// guessers is what many people do (NIST SP 800-63B-4, section 3.1.1.2: passwords of past breaches,
/// common ones, and words of the context). No kind of character is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// It repeats fewer than `shortest` characters, or at most a quarter of it, and of `shortest`, is not
    /// foreseeable. A character is foreseeable when it is the same as the one `k` places before, or next to
    /// it in the alphabet, among the digits, or on a keyboard, for a `k` from 1 to 4: `aaaa`, `qwerty`,
    /// `1q2w3e`, `1qaz2wsx`. Spaces do not count.
    Predictable,
    /// It is on the list; or all of its words are one that is (`dragon2026!`, `1password-password2`), with
    /// digits around and between, and with digits that look like letters (`p4ssw0rd99`) or without. In any
    /// case and spacing.
    Common,
    /// Without the service's name and those of its owner, fewer than eight letters are left, or one word
    /// of the list.
    Similar,
}

impl Weakness {
    /// The first weakness that is found. `about` are the texts that the password must not be made of.
    pub fn of(password: &str, shortest: usize, about: &[&str], list: &Blocklist<'_>) -> Option<Self> {
        let typed: Vec<char> = lower(password).filter(|c| !c.is_whitespace()).collect();
        if is_foreseeable(&typed, shortest) || repeats(&typed).is_some_and(|length| length < shortest) {
            Some(Self::Predictable)
        } else if is_common(&typed, list) {
            Some(Self::Common)
        } else if is_similar(&fold(password), about, list) {
            Some(Self::Similar)
        } else {
            None
        }
    }

    /// The error for whoever chose it, which says what to do instead.
    pub fn refusal(self) -> Invalid {
        match self {
            Self::Predictable => Invalid::new(
                "too_predictable",
                "must not repeat itself or run along the alphabet, the digits or the keyboard; several words that \
                 do not belong together are easy to remember and hard to guess",
            ),
            Self::Common => Invalid::new(
                "too_common",
                "must not be a known password, or one common word with digits; add words that do not belong \
                 together, as digits and signs at the ends do not help",
            ),
            Self::Similar => Invalid::new(
                "too_similar",
                "must not be made of your name, your email, or the name of the company or the service; add words \
                 that have nothing to do with them",
            ),
        }
    }
}

/// A text as words are compared: letters and digits in lower case, and nothing between them.
pub fn fold(text: &str) -> String {
    lower(text).filter(|c| c.is_alphanumeric()).collect()
}

fn lower(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// What is side by side on keyboards: rows, columns, and the signs above the digits.
const KEYS: [&str; 24] = [
    "1234567890",
    "!@#$%^&*()_+",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "qsdfghjklm",
    "zxcvbnm",
    "yxcvbnm",
    "wxcvbn",
    "йцукенгшщзхъ",
    "фывапролджэ",
    "ячсмитьбю",
    "1qaz",
    "2wsx",
    "3edc",
    "4rfv",
    "5tgb",
    "6yhn",
    "7ujm",
    "8ik",
    "9ol",
    "0p",
    "1qay",
];

fn is_next(one: char, other: char) -> bool {
    u32::from(one).abs_diff(u32::from(other)) <= 1
        || KEYS.iter().any(|keys| {
            let mut pairs = keys.chars().zip(keys.chars().skip(1));
            pairs.any(|pair| pair == (one, other) || pair == (other, one))
        })
}

fn is_foreseeable(typed: &[char], shortest: usize) -> bool {
    (1..=4).any(|k| {
        let before = typed.iter().zip(typed.iter().skip(k));
        let surprises = k + before.filter(|(one, other)| !is_next(**one, **other)).count();
        surprises <= typed.len().max(shortest).div_ceil(4)
    })
}

/// How many characters come at least twice, with nothing else around; the last may be missing.
fn repeats(typed: &[char]) -> Option<usize> {
    (1..=typed.len().div_ceil(2)).find(|k| *k < typed.len() && typed[*k..] == typed[..typed.len() - k])
}

fn is_common(typed: &[char], list: &Blocklist<'_>) -> bool {
    let typed: String = typed.iter().collect();
    let whole = fold(&typed);
    let inner = typed.trim_matches(|c: char| !c.is_alphabetic());
    let mut words = whole.split(char::is_numeric).filter(|word| !word.is_empty());
    let one = words.next().filter(|first| words.all(|word| word == *first));
    let listed = |word: &str| word.chars().count() >= SHORTEST_WORD && list.contains(word);
    listed(&whole) || one.is_some_and(listed) || listed(&fold(inner)) || listed(&fold(&as_letters(inner)))
}

/// Shorter words of the list say nothing about a long password that has them.
const SHORTEST_WORD: usize = 4;

/// `text` with the letters that digits and signs in it look like.
fn as_letters(text: &str) -> String {
    let letter = |c| match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    };
    text.chars().map(letter).collect()
}

const SERVICE: &str = "nexo";

/// Letters that must be left without the words of the context.
const OTHER_LETTERS: usize = 8;

fn is_similar(folded: &str, about: &[&str], list: &Blocklist<'_>) -> bool {
    let parts = about.iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).chain([*text]));
    let mut words: Vec<_> = parts.map(fold).chain([SERVICE.to_owned()]).collect();
    words.retain(|word| word.chars().count() >= 3);
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let mut left = folded.to_owned();
    for word in words {
        left = left.replace(&word, " ");
    }
    let letters: String = left.chars().filter(|c| c.is_alphabetic()).collect();
    left.contains(' ') && (letters.chars().count() < OTHER_LETTERS || list.contains(&letters))
}

#[cfg(test)]
mod tests;
