//! Calls the function that the template attaches to the bucket, as S3 and Lambda do: at least once for each new
//! object, again when it fails, by the settings of the template.
//!
//! An event waits in a file until it was delivered, so that a restart loses none.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html>.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nexo_api::LogSink;
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::clock::{Clock, request_id};
use crate::gateway::FunctionHandle;
use crate::template::Arrivals;

/// The pause before the first retry; each further one is twice as long. On AWS it is a minute.
const PAUSE: Duration = Duration::from_millis(20);

/// What the events of new objects are delivered to.
pub(crate) struct Consumer {
    /// The function's logical id.
    pub(crate) id: String,
    pub(crate) handle: FunctionHandle,
    pub(crate) timeout: Duration,
    /// What it is called for, and how often again.
    pub(crate) arrivals: Arrivals,
}

/// Where new events go. Clones share it.
#[derive(Clone)]
pub(super) struct Outbox {
    folder: PathBuf,
    /// What the keys of the objects begin with that are told of.
    prefix: String,
    queue: mpsc::UnboundedSender<PathBuf>,
    /// How many were handed in.
    sent: watch::Sender<u64>,
    /// How many are done with.
    done: watch::Receiver<u64>,
}

impl Outbox {
    /// An outbox in `folder`, and what delivers from it. What is left there from before is delivered first.
    pub(super) fn new(
        folder: PathBuf,
        consumer: Consumer,
        clock: Clock,
        log: LogSink,
    ) -> (Self, JoinHandle<()>) {
        let (queue, mut events) = mpsc::unbounded_channel::<PathBuf>();
        let (done, is_done) = watch::channel(0);
        let prefix = consumer.arrivals.prefix.clone();
        let outbox = Self { folder, prefix, queue, sent: watch::Sender::new(0), done: is_done };
        let left = fs::read_dir(&outbox.folder).into_iter().flatten().filter_map(Result::ok);
        let mut left: Vec<_> = left.map(|entry| entry.path()).collect();
        left.sort();
        for path in left {
            outbox.hand_in(path);
        }
        #[expect(clippy::disallowed_methods, reason = "ends with the server")]
        let task = tokio::spawn(async move {
            while let Some(path) = events.recv().await {
                deliver(&path, &consumer, &clock, &log).await;
                done.send_modify(|done| *done += 1);
            }
        });
        (outbox, task)
    }

    /// Whether an object's arrival is told of.
    pub(super) fn takes(&self, key: &str) -> bool {
        key.starts_with(&self.prefix)
    }

    /// Where an event is to be written. It is not delivered before [`Outbox::hand_in`], or the next start.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Has an event delivered.
    pub(super) fn hand_in(&self, path: PathBuf) {
        self.sent.send_modify(|sent| *sent += 1);
        // A delivery that has ended ends with the server: the event waits for the next start.
        let _ = self.queue.send(path);
    }

    /// Waits until all that was handed in so far was delivered.
    pub(super) async fn catch_up(&self) {
        let wanted = *self.sent.borrow();
        // An end of the delivery is an end of waiting.
        let _ = self.done.clone().wait_for(|done| *done >= wanted).await;
    }
}

async fn deliver(path: &Path, consumer: &Consumer, clock: &Clock, log: &LogSink) {
    let Ok(event) = fs::read(path) else { return };
    let id = consumer.id.as_str();
    for attempt in 0..=consumer.arrivals.retries {
        let now = clock();
        let called = consumer.handle.invoke(event.clone(), &request_id(now), now, consumer.timeout).await;
        if called.is_ok() {
            // An event that stays is delivered again, which changes nothing.
            let _ = fs::remove_file(path);
            return;
        }
        if attempt < consumer.arrivals.retries {
            tokio::time::sleep(PAUSE * (1 << attempt.min(8))).await;
        }
    }
    // Where the template has a queue of failures, the file stays, and is delivered at the next start.
    let line = json!({"level": "ERROR", "message": "gave up on an object's event", "function": id,
                      "cause": path.display().to_string()});
    log(&line.to_string());
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::Value as Json;

    use super::*;
    use crate::gateway::fallible;

    /// A function that notes its events, and fails at the first `failures` calls.
    fn consumer(failures: usize, retries: u64) -> (Consumer, Arc<Mutex<Vec<Json>>>) {
        let calls: Arc<Mutex<Vec<Json>>> = Arc::default();
        let noted = calls.clone();
        let handle = fallible(move |event: Json| {
            let mut calls = noted.lock().unwrap();
            calls.push(event);
            let outcome = if calls.len() > failures { Ok(()) } else { Err("as the test asks") };
            async move { outcome }
        });
        let arrivals = Arrivals { prefix: "a/".into(), retries };
        (Consumer { id: "F".into(), handle, timeout: Duration::from_secs(5), arrivals }, calls)
    }

    #[tokio::test]
    async fn an_event_waits_for_the_next_start_and_comes_again_when_it_fails() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("left"), "1").unwrap();
        let (consumer, calls) = consumer(2, 2);
        let clock: Clock = Arc::new(|| 0);
        let (outbox, task) = Outbox::new(folder.path().to_owned(), consumer, clock, Arc::new(|_| ()));
        outbox.catch_up().await;
        assert_eq!(*calls.lock().unwrap(), [1, 1, 1]);
        let written = outbox.path("new");
        fs::write(&written, "2").unwrap();
        assert_eq!(calls.lock().unwrap().len(), 3, "it is not delivered before it is handed in");
        outbox.hand_in(written);
        outbox.catch_up().await;
        assert_eq!(*calls.lock().unwrap(), [1, 1, 1, 2]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        task.abort();
    }

    #[tokio::test]
    async fn an_event_that_fails_too_often_is_noted_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("left"), "1").unwrap();
        let (consumer, calls) = consumer(usize::MAX, 1);
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = lines.clone();
        let log: LogSink = Arc::new(move |line| noted.lock().unwrap().push(line.to_owned()));
        let (outbox, task) = Outbox::new(folder.path().to_owned(), consumer, Arc::new(|| 0), log);
        outbox.catch_up().await;
        assert_eq!(calls.lock().unwrap().len(), 2);
        assert!(lines.lock().unwrap()[0].contains("gave up on an object's event"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        task.abort();
    }
}
