//! The one place that asks what time it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use nexo_domain::{Id, IdKind, Timestamp};

/// The system's clock, plus an offset that tests move to see what happens later.
///
/// Clones share the offset.
#[derive(Clone, Debug, Default)]
pub struct Clock {
    offset_ms: Arc<AtomicI64>,
    stands_still: bool,
}

impl Clock {
    /// A clock that tells the system's time.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that stands at the present time until it is moved: what a test does at once is at once,
    /// however long it takes.
    pub fn standing_still() -> Self {
        let offset_ms = Arc::new(AtomicI64::new(Self::system().now_ms()));
        Self { offset_ms, stands_still: true }
    }

    /// Milliseconds since the Unix epoch.
    pub fn now_ms(&self) -> i64 {
        let offset = self.offset_ms.load(Ordering::Relaxed);
        if self.stands_still { offset } else { system_ms().saturating_add(offset) }
    }
    /// Seconds since the Unix epoch, as JWT (RFC 7519, `NumericDate`) and DynamoDB's TTL count.
    pub fn now_seconds(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// The instant, to the millisecond.
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms())
    }

    /// Moves this clock and all its clones forward (or back) by `ms` milliseconds.
    pub fn advance(&self, ms: i64) {
        self.offset_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// A new id: this instant and 80 random bits, so that ids sort by the time they were made and
    /// need no coordination (ULID).
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn mint<K: IdKind>(&self) -> Result<Id<K>, getrandom::Error> {
        let mut random = [0; 10];
        getrandom::fill(&mut random)?;
        Ok(Id::from_parts(u64::try_from(self.now_ms()).unwrap_or(0), random))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn system_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
