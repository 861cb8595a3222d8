//! Calls functions by the clock, as EventBridge does by the schedules of the template.
//!
//! When a function was last called is kept with the data: what was due while the server was stopped is done when it
//! runs again. Where nothing is kept, nothing is scheduled.
//!
//! Source: <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-run-lambda-schedule.html>.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nexo_api::LogSink;
use nexo_domain::Timestamp;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::clock::{Clock, request_id};
use crate::gateway::FunctionHandle;
use crate::template::{ACCOUNT_ID, Function, REGION, Schedule};

/// How often the clock is looked at.
const LOOK: Duration = Duration::from_mins(1);

/// A schedule, and what it calls.
struct Work {
    id: String,
    schedule: Schedule,
    handle: FunctionHandle,
    timeout: Duration,
    /// Holds when it was last called, in milliseconds since 1970.
    last: PathBuf,
    clock: Clock,
    log: LogSink,
}

/// Starts a function's schedules; they end with the tasks.
pub(crate) fn start(
    id: &str,
    function: &Function,
    handle: &FunctionHandle,
    folder: &Path,
    clock: &Clock,
    log: &LogSink,
) -> Vec<JoinHandle<()>> {
    let start = |schedule: &Schedule| {
        let work = Work {
            id: id.to_owned(),
            schedule: schedule.clone(),
            handle: handle.clone(),
            timeout: function.timeout,
            last: folder.join(format!("schedule-{id}-{}", schedule.name)),
            clock: clock.clone(),
            log: log.clone(),
        };
        #[expect(clippy::disallowed_methods, reason = "ends with the server")]
        tokio::spawn(async move {
            loop {
                work.call_if_due().await;
                tokio::time::sleep(LOOK).await;
            }
        })
    };
    function.schedules.iter().map(start).collect()
}

impl Work {
    async fn call_if_due(&self) {
        let now = (self.clock)();
        let last = fs::read_to_string(&self.last).ok().and_then(|text| text.trim().parse::<u64>().ok());
        let every = u64::try_from(self.schedule.every.as_millis()).unwrap_or(u64::MAX);
        // The first time it is due after one whole period.
        if last.is_some_and(|last| now < last.saturating_add(every)) {
            return;
        }
        if let Err(error) = fs::write(&self.last, now.to_string()) {
            return self.say("the time of a schedule is not kept", &error.to_string());
        }
        if last.is_none() {
            return;
        }
        let event = event(&self.schedule.name, now).to_string().into_bytes();
        let called = self.handle.invoke(event, &request_id(now), now, self.timeout).await;
        if let Err(error) = called {
            self.say("a scheduled call failed", &format!("{error:?}"));
        }
    }

    fn say(&self, message: &str, cause: &str) {
        let line = json!({"level": "ERROR", "message": message, "function": self.id, "cause": cause});
        (self.log)(&line.to_string());
    }
}

/// The event of a schedule.
fn event(name: &str, now: u64) -> serde_json::Value {
    json!({
        "version": "0", "id": request_id(now), "detail-type": "Scheduled Event", "source": "aws.events",
        "account": ACCOUNT_ID, "region": REGION, "detail": {},
        "time": Timestamp::from_millis(i64::try_from(now).unwrap_or(i64::MAX)),
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT_ID}:rule/{name}")],
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Mutex};

    use serde_json::Value as Json;

    use super::*;
    use crate::gateway::fallible;

    #[tokio::test]
    async fn a_function_is_called_once_in_each_period() {
        let folder = tempfile::tempdir().unwrap();
        let (now, events) = (Arc::new(AtomicU64::new(1_000)), Arc::<Mutex<Vec<Json>>>::default());
        let (time, noted) = (now.clone(), events.clone());
        let work = Work {
            id: "F".into(),
            schedule: Schedule { name: "Daily".into(), every: Duration::from_secs(10) },
            handle: fallible(move |event: Json| {
                noted.lock().unwrap().push(event);
                async { Ok::<_, ()>(()) }
            }),
            timeout: Duration::from_secs(5),
            last: folder.path().join("last"),
            clock: Arc::new(move || time.load(Ordering::Relaxed)),
            log: Arc::new(|_| ()),
        };
        for (at, calls) in [(1_000, 0), (10_999, 0), (11_000, 1), (11_001, 1), (50_000, 2), (50_001, 2)] {
            now.store(at, Ordering::Relaxed);
            work.call_if_due().await;
            assert_eq!(events.lock().unwrap().len(), calls, "{at}");
        }
        assert_eq!(events.lock().unwrap()[0]["detail-type"], "Scheduled Event");
    }
}
