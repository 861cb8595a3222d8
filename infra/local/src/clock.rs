//! The time, and the ids made of it.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ulid::Ulid;

/// Tells the time in milliseconds since 1970. A test gives one that it can move.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The computer's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        #[expect(clippy::disallowed_methods, reason = "this is where time comes from")]
        let now = SystemTime::now();
        now.duration_since(UNIX_EPOCH)
            .ok()
            .and_then(|since| u64::try_from(since.as_millis()).ok())
            // Before 1970 nothing is known of time: let every session be over.
            .unwrap_or(u64::MAX)
    })
}

/// A new id for a request: a ULID.
pub(crate) fn request_id(now_ms: u64) -> String {
    let mut random = [0; 16];
    // Without randomness the id is only as unique as the millisecond: it names a request in logs
    // and guards nothing.
    let _ = getrandom::fill(&mut random);
    Ulid::from_parts(now_ms, u128::from_le_bytes(random)).to_string()
}
