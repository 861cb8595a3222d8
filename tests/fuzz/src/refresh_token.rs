//! Refresh tokens.

use std::sync::LazyLock;

use nexo_domain::{AccountId, SessionId, UserId};
use nexo_identity::{Clock, RefreshToken, Signer};

use crate::accepts_only;
use crate::world::ISSUER;

/// Any token opens to what was sealed; who does not have the key can make none, nor another out of a
/// genuine one; what opens is sealed to the same text again.
pub fn refresh_token(input: &[u8]) {
    static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
        Signer::from_secret(&[7; 32], ISSUER, Clock::system()).expect("a secret of 32 bytes")
    });
    let key = SIGNER.refresh_key();
    let token = made_of(input);
    assert_eq!(key.open(&key.seal(&token)).as_ref(), Some(&token));
    accepts_only(&key.seal(&made_of(&[])), input, |text| {
        let opened = key.open(text);
        opened.inspect(|token| assert_eq!(key.seal(token), text)).is_some()
    });
}

/// A token of the input's first bytes; where there are too few, of zeros.
fn made_of(input: &[u8]) -> RefreshToken {
    let mut bytes = [0; 52];
    bytes.iter_mut().zip(input).for_each(|(byte, given)| *byte = *given);
    let millis = |from: usize| (0..6).fold(0, |millis, at| millis << 8 | u64::from(bytes[from + at]));
    let random = |from: usize| std::array::from_fn(|at| bytes[from + 6 + at]);
    RefreshToken {
        account: AccountId::from_parts(millis(0), random(0)),
        user: UserId::from_parts(millis(16), random(16)),
        session: SessionId::from_parts(millis(32), random(32)),
        generation: u32::from_be_bytes(std::array::from_fn(|at| bytes[48 + at])),
    }
}
