//! A set of words that only says whether a word is in it: `blocklist/README.md` says of which.
//!
//! Of each word it has the first 32 bits of the SHA-256. The first 16 say which of 65,536 buckets it is
//! in, the other 16 are kept. The file is how many words come before every 256th bucket, four bytes each,
//! how many are in each bucket, a byte each, and all words in order, two bytes each. Nothing is read from
//! it before the first look-up.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

const BUCKETS: usize = 1 << 16;
const STEP: usize = 1 << 8;

/// Words that are passwords already, or begin one.
#[derive(Clone, Copy)]
pub struct Blocklist<'a>(&'a [u8]);

impl<'a> Blocklist<'a> {
    /// The set that `bytes` holds.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether `word` is in the set, in the form it was put in. Of words that are not, one in about
    /// eleven thousand is taken for one that is.
    pub fn contains(&self, word: &str) -> bool {
        self.find(word).unwrap_or_default()
    }

    /// `None` when the bytes are too few.
    fn find(&self, word: &str) -> Option<bool> {
        let (bucket, kept) = halves(word);
        let (starts, rest) = self.0.split_at_checked(BUCKETS / STEP * 4)?;
        let (counts, words) = rest.split_at_checked(BUCKETS)?;
        let start = u32::from_be_bytes(starts.as_chunks::<4>().0[bucket / STEP]);
        let since = &counts[bucket / STEP * STEP..bucket];
        let before = usize::try_from(start).ok()? + since.iter().copied().map(usize::from).sum::<usize>();
        let words = words.as_chunks::<2>().0.get(before..before + usize::from(counts[bucket]))?;
        Some(words.contains(&kept))
    }
}

impl Blocklist<'static> {
    /// The set that is part of the binary.
    pub const fn embedded() -> Self {
        Self::new(include_bytes!("../blocklist/blocklist.bin"))
    }
}

/// The bytes of a set of `words`. The same words make the same bytes, in whatever order they come.
///
/// # Errors
/// When there are so many that a bucket is full.
pub fn encode<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Vec<u8>, String> {
    let mut counts = vec![0_u8; BUCKETS];
    let mut kept_words = Vec::new();
    for (bucket, kept) in words.into_iter().map(halves).collect::<BTreeSet<_>>() {
        counts[bucket] = counts[bucket].checked_add(1).ok_or("more than 255 words in a bucket")?;
        kept_words.extend(kept);
    }
    let mut bytes = Vec::new();
    let mut before = 0_u32;
    for step in counts.chunks(STEP) {
        bytes.extend(before.to_be_bytes());
        before += step.iter().copied().map(u32::from).sum::<u32>();
    }
    bytes.extend(counts);
    bytes.extend(kept_words);
    Ok(bytes)
}

/// A word's bucket, and what is kept of it.
fn halves(word: &str) -> (usize, [u8; 2]) {
    let hash = Sha256::digest(word);
    (u16::from_be_bytes([hash[0], hash[1]]).into(), [hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_and_other_words_are_not() {
        let words: Vec<_> = (0..10_000).map(|n| format!("word {n}")).collect();
        let bytes = encode(words.iter().map(String::as_str)).unwrap();
        let list = Blocklist::new(&bytes);
        assert!(words.iter().all(|word| list.contains(word)));
        let others = (0..10_000).filter(|n| list.contains(&format!("other {n}"))).count();
        assert_eq!(others, 0);
        assert_eq!(bytes, encode(words.iter().rev().map(String::as_str)).unwrap());
    }

    #[test]
    fn an_empty_set_has_no_word() {
        assert!(!Blocklist::new(&[]).contains(""));
        assert!(!Blocklist::new(&encode([]).unwrap()).contains(""));
    }

    /// `README.md` promises it.
    #[test]
    fn one_word_in_eleven_thousand_is_taken_for_a_listed_one() {
        let wrong =
            (0..200_000).filter(|n| Blocklist::embedded().contains(&format!("not listed {n}"))).count();
        assert!((5..=30).contains(&wrong), "{wrong}");
    }
}
