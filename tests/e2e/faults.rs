//! A failure at every call that a write makes to the table, of every kind: the caller is told the
//! truth, and a retry leads to what one clean run leads to.

mod work;

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use nexo_local::{FailNth, Fault, ServiceError};
use nexo_tests::{Answer, Company, Nexo};
use serde_json::Value;

use work::{Case, WORKS, Work};

/// How a call fails once: the SDK's own retry comes through.
const ONCE: [Fault; 4] = [
    Fault::BeforeExecution(ServiceError::InternalServerError),
    Fault::Dropped,
    Fault::AfterExecution,
    Fault::TransactionConflict,
];

/// How calls fail for as long as a request goes on.
const ON_AND_ON: [Fault; 3] =
    [Fault::BeforeExecution(ServiceError::Throttling), Fault::AfterExecution, Fault::TransactionConflict];

/// What befalls one request.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    Once(Fault),
    OnAndOn(Fault),
    /// The function dies at the call, before or after the table executes it.
    Death {
        executed: bool,
    },
    /// The caller leaves while the call is made. The function goes on, as it does on Lambda, and meets
    /// the caller's retry.
    Abandoned,
}

/// One server, and the cases of one write on it.
struct Trial<'a> {
    work: Work,
    nexo: &'a Nexo,
    /// Whose records the cases are of.
    shared: &'a Company<'a>,
}

impl Trial<'_> {
    /// Runs one case: `run` is given it prepared.
    async fn with_case<T>(&self, number: usize, run: impl AsyncFnOnce(&Case<'_>) -> T) -> T {
        let tag = format!("case{number}x");
        if self.work.is_of_a_user() {
            let company = self.nexo.register().await;
            run(&self.work.prepare(self.nexo, &company, tag).await).await
        } else {
            run(&self.work.prepare(self.nexo, self.shared, tag).await).await
        }
    }

    /// One clean run: how many calls it makes, and what it leaves.
    async fn clean(&self, number: usize) -> (u64, Value) {
        let faults = self.nexo.door().faults();
        self.with_case(number, async |case| {
            faults.arm([]);
            let answer = Answer::of(case.request()).await;
            let calls = faults.calls();
            assert_eq!(answer.status, self.work.succeeds(), "{:?}: {answer:?}", self.work);
            (calls, case.state().await)
        })
        .await
    }

    async fn with(&self, number: usize, nth: u64, mishap: Mishap, clean: &Value) -> Result<(), String> {
        let what = format!("{:?}, call {nth}, {mishap:?}", self.work);
        let faults = self.nexo.door().faults();
        self.with_case(number, async |case| {
            let from = |how: Fault, last: u64| (nth..=last).map(move |n| FailNth { n, how });
            let first = match mishap {
                Mishap::Once(how) => {
                    faults.arm(from(how, nth));
                    Some(Answer::of(case.request()).await)
                }
                Mishap::OnAndOn(how) => {
                    faults.arm(from(how, nth + 50));
                    Some(Answer::of(case.request()).await)
                }
                Mishap::Death { executed } => {
                    faults.arm(from(Fault::Death { executed }, nth));
                    let answer = Answer::of(case.request()).await;
                    // Whoever answers for the dead knows nothing: what it says is not looked at.
                    assert_eq!(answer.status, 500, "{what}: {answer:?}");
                    None
                }
                Mishap::Abandoned => {
                    faults.arm(from(Fault::Hang(Duration::from_millis(20)), nth));
                    let reached = async {
                        while faults.calls() < nth {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    };
                    tokio::select! {
                        _ = case.request().header("x-request-id", abandoned(number)).send() => None,
                        () = reached => None,
                    }
                }
            };
            faults.disarm();
            if matches!(mishap, Mishap::Abandoned) && !self.work.is_repeatable() {
                self.ended(&abandoned(number)).await;
            }
            let settled = self.settle(case, &what, first.as_ref()).await;
            if matches!(mishap, Mishap::Abandoned) {
                self.ended(&abandoned(number)).await;
            }
            settled?;
            let state = case.state().await;
            if state == *clean {
                return Ok(());
            }
            Err(format!("{what}: {:?} left\n  {state}\nand not\n  {clean}", first.map(|first| first.status)))
        })
        .await
    }

    /// Waits until the function has written its line for a request.
    async fn ended(&self, request_id: &str) {
        while !self.nexo.log().iter().any(|line| line.contains(request_id)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Makes the request again unless it succeeded; whether what is answered is true.
    async fn settle(&self, case: &Case<'_>, what: &str, first: Option<&Answer>) -> Result<(), String> {
        if first.is_some_and(|first| first.status == self.work.succeeds()) {
            return Ok(());
        }
        if first.is_some_and(|first| !is_honest(first)) {
            return Err(format!("{what}: {first:?}"));
        }
        if !self.work.is_repeatable() && case.is_done().await {
            return Ok(());
        }
        let mut retry = Answer::of(case.request()).await;
        for _ in 0..3 {
            if !is_honest(&retry) {
                break;
            }
            retry = Answer::of(case.request()).await;
        }
        let status = retry.status.as_u16();
        if status == self.work.succeeds() || self.work.settles().contains(&status) {
            return Ok(());
        }
        Err(format!("{what}: {first:?}, then {retry:?}"))
    }
}

/// The id of the request that its caller leaves.
fn abandoned(number: usize) -> String {
    format!("abandoned-{number}.")
}

/// Whether it is a problem that a fault may be answered with: come back, in so many seconds.
fn is_honest(answer: &Answer) -> bool {
    let code = answer.body["code"].as_str().unwrap_or_default();
    if !["unavailable", "conflict", "idempotency_in_progress", "deadline_exceeded"].contains(&code) {
        return false;
    }
    answer.assert_problem(answer.status.as_u16(), code);
    !answer.header("retry-after").is_empty()
}

/// Every mishap at one call of a write, on a server of its own. Also says how many calls there are.
async fn every_mishap_at(work: Work, nth: u64) -> (u64, Vec<String>) {
    let nexo = Nexo::start().await;
    let shared = nexo.register().await;
    // The functions read the public keys now: what is counted is the write's own.
    for path in ["/api/clients", "/api/employees", "/api/uploads", "/api/users", "/api/auth/profile"] {
        assert_eq!(shared.get(path).await.status, 200);
    }
    let trial = Trial { work, nexo: &nexo, shared: &shared };
    let (calls, clean) = trial.clean(0).await;
    // What follows from the stream is counted with the request, if it is fast.
    if work == Work::CreateFile && calls < nth {
        return (calls, Vec::new());
    }
    assert!((nth..=12).contains(&calls), "{work:?} makes {calls} calls");
    let once = ONCE.into_iter().map(Mishap::Once);
    let deaths = [false, true].map(|executed| Mishap::Death { executed });
    let on_and_on = ON_AND_ON.into_iter().map(Mishap::OnAndOn);
    let mut all: Vec<_> = once.chain(on_and_on).chain(deaths).chain([Mishap::Abandoned]).collect();
    if work.hashes_often() {
        all.retain(|mishap| {
            !matches!(mishap, Mishap::Once(_))
                && !matches!(mishap, Mishap::OnAndOn(how) if *how != Fault::AfterExecution)
        });
    }
    let mut wrong = Vec::new();
    for (number, mishap) in all.into_iter().enumerate() {
        wrong.extend(trial.with(number + 1, nth, mishap, &clean).await.err());
    }
    assert_eq!(nexo.door().log().totals().refused, 0);
    (calls, wrong)
}

async fn every_mishap_of(work: Work) -> Vec<String> {
    let (calls, mut wrong) = every_mishap_at(work, 1).await;
    let further = (2..=calls).map(|nth| async move { every_mishap_at(work, nth).await.1 });
    wrong.extend(stream::iter(further).buffer_unordered(12).concat().await);
    wrong
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_call_loses_doubles_and_halves_nothing() {
    let wrong: Vec<String> =
        stream::iter(WORKS).map(every_mishap_of).buffer_unordered(WORKS.len()).concat().await;
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn a_call_that_hangs_is_made_again() {
    let nexo = Nexo::start().await;
    let shared = nexo.register().await;
    let trial = Trial { work: Work::CreateUniqueWithKey, nexo: &nexo, shared: &shared };
    let (_, clean) = trial.clean(0).await;
    // Longer than an attempt may take, shorter than all of them.
    let hang = Mishap::Once(Fault::Hang(Duration::from_secs(5)));
    assert_eq!(trial.with(1, 1, hang, &clean).await, Ok(()));
}
