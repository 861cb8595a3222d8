//! What must hold for any input of those who are not trusted yet.
//!
//! Each target takes bytes and panics where a promise is broken. `fuzz/` gives them to libFuzzer, which
//! looks for inputs that reach new code; `tests/corpus.rs` runs them in every test run over the inputs
//! that are checked in, and over a fixed number of changes of those.
#![expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a target fails by panicking")]
#![warn(missing_docs)]

mod access_token;
mod api_key;
mod cursor;
mod link_token;
mod refresh_token;
mod world;

pub use access_token::{access_token, signed_claims};
pub use api_key::api_key;
pub use cursor::cursor;
pub use link_token::link_token;
pub use refresh_token::refresh_token;

/// A target: its name, which is also its corpus's and its file's, and its body.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 6] = [
    ("access_token", access_token),
    ("api_key", api_key),
    ("cursor", cursor),
    ("link_token", link_token),
    ("refresh_token", refresh_token),
    ("signed_claims", signed_claims),
];

/// Asserts that `genuine` is accepted, and of what `input` may stand for nothing else: a text, or a list of
/// changes to `genuine`.
fn accepts_only(genuine: &str, input: &[u8], accepts: impl Fn(&str) -> bool) {
    assert!(accepts(genuine), "{genuine}");
    for bytes in [input.to_vec(), changed(genuine, input)] {
        if let Ok(text) = String::from_utf8(bytes) {
            assert_eq!(accepts(&text), text == genuine, "{text}");
        }
    }
}

/// `genuine` with the bits flipped that `changes` names: two bytes say where, the third which.
fn changed(genuine: &str, changes: &[u8]) -> Vec<u8> {
    let mut bytes = genuine.as_bytes().to_vec();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_le_bytes([change[0], change[1]])) % bytes.len();
        bytes[place] ^= change[2];
    }
    bytes
}
