//! Counts what a request costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::ConsumedCapacity;

/// Counts the store calls of one request and their capacity units. Clones share the count.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    calls: AtomicU64,
    // In tenths of a unit: DynamoDB bills halves.
    read: AtomicU64,
    write: AtomicU64,
}

/// What a [`Meter`] has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Calls to the store.
    pub calls: u64,
    /// Read capacity units.
    pub read_units: f64,
    /// Write capacity units, those of indexes included.
    pub write_units: f64,
}

/// Which of the two capacities a call consumes.
#[derive(Clone, Copy)]
pub(crate) enum Units {
    Read,
    Write,
}

impl Meter {
    /// What has been counted so far.
    #[expect(clippy::cast_precision_loss, reason = "a request costs far fewer than 2^52 units")]
    pub fn usage(&self) -> Usage {
        let tenths = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / 10.0;
        Usage {
            calls: self.0.calls.load(Ordering::Relaxed),
            read_units: tenths(&self.0.read),
            write_units: tenths(&self.0.write),
        }
    }

    pub(crate) fn call(&self) {
        self.0.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn consumed<'a>(
        &self,
        units: Units,
        consumed: impl IntoIterator<Item = &'a ConsumedCapacity>,
    ) {
        let total: f64 = consumed.into_iter().filter_map(ConsumedCapacity::capacity_units).sum();
        let count = match units {
            Units::Read => &self.0.read,
            Units::Write => &self.0.write,
        };
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "units are small and positive"
        )]
        count.fetch_add((total * 10.0).round() as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
