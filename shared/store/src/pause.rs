//! The time between two attempts.

use std::time::Duration;

use crate::StoreError;

/// How often what collides with others is tried.
pub(crate) const ATTEMPTS: usize = 8;

/// The longest first pause, in milliseconds; each further one is up to twice as long.
const FIRST: u64 = 20;

/// The longest pause, in milliseconds.
const LONGEST: u64 = 400;

/// Waits after an attempt, counted from 0, that another request was in the way of: for a random part of a time that
/// grows, so that those who collided do not meet again ("full jitter",
/// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
pub(crate) async fn pause(attempt: usize) -> Result<(), StoreError> {
    let longest = FIRST.saturating_mul(1 << attempt.min(16)).min(LONGEST);
    let mut random = [0; 8];
    getrandom::fill(&mut random)?;
    tokio::time::sleep(Duration::from_millis(u64::from_le_bytes(random) % (longest + 1))).await;
    Ok(())
}
