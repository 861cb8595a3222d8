//! Failures on order, at the doors of the table and of the bucket: what an engine on one machine never does by
//! itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// An error DynamoDB answers before it does anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceError {
    /// A partition takes no more for now (400); clients retry.
    ProvisionedThroughputExceeded,
    /// The account's requests are throttled (400); clients retry.
    Throttling,
    /// The service failed (500); clients retry.
    InternalServerError,
}

impl ServiceError {
    /// DynamoDB's name for it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::ProvisionedThroughputExceeded => "ProvisionedThroughputExceededException",
            Self::Throttling => "ThrottlingException",
            Self::InternalServerError => "InternalServerError",
        }
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This error is answered and nothing is executed.
    BeforeExecution(ServiceError),
    /// The connection drops and nothing is executed.
    Dropped,
    /// The call is executed and its answer is lost: the connection drops.
    AfterExecution,
    /// Nothing comes for so long, then the connection drops; nothing is executed.
    Hang(Duration),
    /// The function dies at this call, with the call executed or not: nothing of it runs any more.
    Death {
        /// Whether the table still executes the call.
        executed: bool,
    },
    /// Another transaction holds an item: `TransactionCanceledException` for transactions,
    /// `TransactionConflictException` for single writes. `GetItem`, `BatchGetItem` and `Query`
    /// never meet one and are executed.
    TransactionConflict,
}

/// How a call to the bucket fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketFault {
    /// `SlowDown` (503) is answered and nothing is executed; clients retry.
    SlowDown,
    /// Nothing comes for so long, then the call fails; nothing is executed.
    Hang(Duration),
    /// The answer's body ends half-way.
    Cut,
}

/// Fail the nth call after [`Faults::arm`], counted from 1; retries and refused
/// calls count too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailNth<F = Fault> {
    /// Which call; the next one is 1.
    pub n: u64,
    /// How it fails.
    pub how: F,
}

/// The plan of failures. Clones share it.
#[derive(Debug)]
pub struct Faults<F = Fault> {
    state: Arc<Mutex<State<F>>>,
}

#[derive(Debug)]
struct State<F> {
    plan: Vec<FailNth<F>>,
    calls: u64,
}

impl<F> Clone for Faults<F> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<F> Default for Faults<F> {
    fn default() -> Self {
        Self { state: Arc::new(Mutex::new(State { plan: Vec::new(), calls: 0 })) }
    }
}

impl<F: Copy> Faults<F> {
    /// Replaces the plan and counts calls from 1 again.
    pub fn arm(&self, plan: impl IntoIterator<Item = FailNth<F>>) {
        *self.state() = State { plan: plan.into_iter().collect(), calls: 0 };
    }

    /// Drops the plan; calls are still counted.
    pub fn disarm(&self) {
        self.state().plan.clear();
    }

    /// Calls since the plan was armed.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Counts a call and says whether it is to fail.
    pub(crate) fn next(&self) -> Option<F> {
        let mut state = self.state();
        state.calls += 1;
        let n = state.calls;
        state.plan.iter().find(|fault| fault.n == n).map(|fault| fault.how)
    }

    fn state(&self) -> MutexGuard<'_, State<F>> {
        // A count and a list: whole again whatever panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
