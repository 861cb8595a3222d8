//! API keys.

use nexo_domain::{AccountId, ApiKeyId};
use nexo_identity::{API_KEY_LENGTH, API_KEY_PREFIX, ApiKey};

use crate::changed;

/// Any key reads back as it was made; what reads says where it is, in the one form there is; a key in which
/// something was changed is none.
pub fn api_key(input: &[u8]) {
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(input).for_each(|(byte, given)| *byte = *given);
    let half = |from: usize| std::array::from_fn(|at| bytes[from + at]);
    let (account, id) = (AccountId::from_bytes(half(0)), ApiKeyId::from_bytes(half(16)));
    let genuine = ApiKey::make(&account, &id).expect("random bytes");
    let key = ApiKey::parse(&genuine).expect("a key");
    assert_eq!((key.account(), key.id()), (&account, &id));
    reads_in_one_form(input);
    // A checksum of 32 bits finds every change of up to three of them, and misses one in four billion others.
    let wrong = changed(&genuine, input.get(..3).unwrap_or_default());
    reads_in_one_form(&wrong);
    if wrong != genuine.as_bytes() {
        assert!(std::str::from_utf8(&wrong).ok().and_then(ApiKey::parse).is_none(), "{genuine} {wrong:?}");
    }
}

fn reads_in_one_form(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(key) = ApiKey::parse(text) else { return };
    assert_eq!(text.len(), API_KEY_LENGTH);
    let head = format!("{API_KEY_PREFIX}{}{}", key.account().ulid(), key.id().ulid());
    assert!(text.starts_with(&head), "{text}");
}
