//! What was asked of the table: for tests, for `cargo dev`'s pages, for measuring cost.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::engine::Capacity;
use crate::issuer::CallerIdentity;

/// Calls kept; older ones are forgotten.
const KEPT_CALLS: usize = 10_000;
/// Partition keys counted one by one; writes to further ones are counted together.
const COUNTED_PARTITIONS: usize = 50_000;

/// One call to the table.
#[derive(Debug, Clone, PartialEq)]
pub struct StoreCall {
    /// Its number, from 1, without gaps.
    pub seq: u64,
    /// DynamoDB's operation, such as `PutItem`; empty when the request named none.
    pub operation: String,
    /// Who called, when the token said.
    pub caller: Option<CallerIdentity>,
    /// Whether the policy allowed it.
    pub allowed: bool,
    /// Why it was refused, or which fault was injected.
    pub reason: Option<String>,
    /// The HTTP status of the answer; 0 when the connection was dropped instead.
    pub status: u16,
    /// What it cost, indexes included.
    pub capacity: Capacity,
    /// The partition keys it named, with each action's.
    pub keys: Vec<String>,
    /// The partition keys of the items it wrote.
    pub partitions_written: Vec<String>,
}

/// Sums over all calls since the start.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StoreTotals {
    /// Calls the policy allowed.
    pub allowed: u64,
    /// Calls refused.
    pub refused: u64,
    /// What they cost.
    pub capacity: Capacity,
}

/// The record of calls. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct DoorLog {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    calls: VecDeque<Arc<StoreCall>>,
    totals: StoreTotals,
    writes: HashMap<String, u64>,
    other_writes: u64,
}

impl DoorLog {
    /// The calls after number `seq` that are still kept, oldest first. All of them after 0.
    pub fn calls_since(&self, seq: u64) -> Vec<Arc<StoreCall>> {
        let state = self.state();
        let first = state.calls.partition_point(|call| call.seq <= seq);
        state.calls.range(first..).cloned().collect()
    }

    /// The number of the latest call; 0 before the first.
    pub fn last_seq(&self) -> u64 {
        self.state().last
    }

    /// Sums over all calls.
    pub fn totals(&self) -> StoreTotals {
        self.state().totals
    }

    /// How many items were written under each partition key, most first. Beyond 50,000 different
    /// keys the rest is counted together, under the empty key.
    pub fn writes_by_partition(&self) -> Vec<(String, u64)> {
        let state = self.state();
        let mut writes: Vec<_> = state.writes.iter().map(|(key, count)| (key.clone(), *count)).collect();
        if state.other_writes > 0 {
            writes.push((String::new(), state.other_writes));
        }
        writes.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
        writes
    }

    /// Adds a call and gives it its number.
    pub(super) fn record(&self, mut call: StoreCall) {
        let mut state = self.state();
        state.last += 1;
        call.seq = state.last;
        if call.allowed {
            state.totals.allowed += 1;
        } else {
            state.totals.refused += 1;
        }
        state.totals.capacity.read += call.capacity.read;
        state.totals.capacity.write += call.capacity.write;
        for key in &call.partitions_written {
            if let Some(count) = state.writes.get_mut(key) {
                *count += 1;
            } else if state.writes.len() < COUNTED_PARTITIONS {
                state.writes.insert(key.clone(), 1);
            } else {
                state.other_writes += 1;
            }
        }
        if state.calls.len() == KEPT_CALLS {
            state.calls.pop_front();
        }
        state.calls.push_back(Arc::new(call));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Numbers and lists: whole again whatever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
