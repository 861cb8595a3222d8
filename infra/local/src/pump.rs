//! Calls functions with records of the table's stream, as Lambda's event source mappings do: at least
//! once, in order, filtered, in batches, and again when they fail, by the settings of the template.
//!
//! A pump sleeps until something is written. How far it came is kept with the data, so that a restart
//! loses nothing, and repeats at most the batch that was on its way.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html>.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nexo_api::LogSink;
use serde_json::{Value as Json, json};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use crate::clock::{Clock, request_id};
use crate::engine::{Engine, sequence_number};
use crate::gateway::FunctionHandle;
use crate::template::{Function, StreamSource};

/// How long writes are gathered before the stream is read, unless somebody waits: a stream is read once
/// for many writes in a row.
const WINDOW: Duration = Duration::from_millis(20);

/// The pause before the first retry; each further one is twice as long, up to [`LONGEST_PAUSE`]. On AWS
/// these are seconds to minutes.
const PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Records read at once.
const PAGE: usize = 1000;

/// What a pump works with.
pub(crate) struct Source<'a> {
    pub(crate) engine: &'a Engine,
    /// The function's logical id.
    pub(crate) id: &'a str,
    pub(crate) function: &'a Function,
    pub(crate) handle: &'a FunctionHandle,
    pub(crate) stream: &'a StreamSource,
    /// Where the data is; nothing is remembered without.
    pub(crate) folder: Option<&'a Path>,
    pub(crate) clock: &'a Clock,
    pub(crate) log: &'a LogSink,
}

/// A running pump.
#[derive(Clone)]
pub(crate) struct Pump {
    written: watch::Receiver<u64>,
    done: watch::Receiver<u64>,
    hurry: Arc<Notify>,
}

impl Pump {
    /// Starts a pump; it ends with the task.
    ///
    /// # Errors
    /// The stream, or what was remembered of it, cannot be read.
    pub(crate) async fn start(source: Source<'_>) -> Result<(Self, JoinHandle<()>), String> {
        let checkpoint =
            source.folder.map(|folder| folder.join(format!("stream-{}-{}", source.id, source.stream.name)));
        let remembered = checkpoint.as_deref().map_or(Ok(None), recall)?;
        let after = match remembered {
            None if !source.stream.from_beginning => source.engine.stream_end().await?,
            remembered => remembered,
        };
        let (done, is_done) = watch::channel(0);
        let hurry = Arc::new(Notify::new());
        let pump = Self { written: source.engine.written(), done: is_done, hurry: hurry.clone() };
        let work = Work {
            engine: source.engine.clone(),
            id: source.id.to_owned(),
            handle: source.handle.clone(),
            timeout: source.function.timeout,
            stream: source.stream.clone(),
            clock: source.clock.clone(),
            log: source.log.clone(),
            checkpoint,
            after,
        };
        #[expect(clippy::disallowed_methods, reason = "ends with the server")]
        let task = tokio::spawn(work.run(done, hurry));
        Ok((pump, task))
    }

    /// Waits until the function was called with all that was written so far.
    pub(crate) async fn catch_up(&self) {
        let wanted = *self.written.borrow();
        self.hurry.notify_one();
        // An end of the pump is an end of waiting.
        let _ = self.done.clone().wait_for(|done| *done >= wanted).await;
    }
}

struct Work {
    engine: Engine,
    id: String,
    handle: FunctionHandle,
    timeout: Duration,
    stream: StreamSource,
    clock: Clock,
    log: LogSink,
    checkpoint: Option<PathBuf>,
    /// The last record that needs no call any more.
    after: Option<String>,
}

impl Work {
    async fn run(mut self, done: watch::Sender<u64>, hurry: Arc<Notify>) {
        let mut written = self.engine.written();
        loop {
            let seen = *written.borrow_and_update();
            match self.drain().await {
                Ok(()) => drop(done.send(seen)),
                Err(error) => {
                    self.say("the stream cannot be read", &error);
                    tokio::time::sleep(LONGEST_PAUSE).await;
                    continue;
                }
            }
            if written.changed().await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(WINDOW) => {}
                () = hurry.notified() => {}
            }
        }
    }

    /// Goes through the stream to its end.
    async fn drain(&mut self) -> Result<(), String> {
        loop {
            let page = self.engine.stream(self.after.clone(), PAGE).await?;
            let Some(end) = page.last().and_then(sequence_number).map(str::to_owned) else { return Ok(()) };
            let wanted: Vec<Json> = page.into_iter().filter(|record| self.stream.takes(record)).collect();
            for batch in wanted.chunks(self.stream.batch) {
                self.deliver(batch).await;
            }
            self.after = Some(end);
        }
    }

    /// Calls the function with a batch until no record of it is left to do.
    async fn deliver(&mut self, mut batch: &[Json]) {
        let (mut size, mut tries) = (batch.len(), 0);
        while !batch.is_empty() {
            let part = &batch[..size];
            let gone = match self.first_failure(part).await {
                None => size,
                Some(failed) if failed > 0 => failed,
                Some(_) if self.is_over(part, tries) => {
                    let first = part.first().and_then(sequence_number).unwrap_or_default();
                    self.say("gave up on records of the stream", &format!("{} from {first}", part.len()));
                    size
                }
                Some(_) => {
                    tokio::time::sleep(LONGEST_PAUSE.min(PAUSE * (1 << tries.min(16)))).await;
                    tries += 1;
                    if self.stream.bisects {
                        size = size.div_ceil(2);
                    }
                    continue;
                }
            };
            self.after = batch[gone - 1..].first().and_then(sequence_number).map(str::to_owned);
            self.remember();
            batch = &batch[gone..];
            (size, tries) = (batch.len(), 0);
        }
    }

    /// The index of the first record that the function did not process.
    async fn first_failure(&self, records: &[Json]) -> Option<usize> {
        let event = json!({ "Records": records }).to_string().into_bytes();
        let now = (self.clock)();
        let reply = self.handle.invoke(event, &request_id(now), now, self.timeout).await;
        let Ok(reply) = reply else { return Some(0) };
        if !self.stream.reports {
            return None;
        }
        let answer: Json = serde_json::from_slice(&reply).unwrap_or_default();
        let failed = answer["batchItemFailures"].as_array()?.iter();
        // A number that is none of the batch's fails all of it, as on AWS.
        let index = |failed: &Json| {
            let number = failed["itemIdentifier"].as_str();
            records.iter().position(|record| sequence_number(record) == number).unwrap_or(0)
        };
        failed.map(index).min()
    }

    /// Whether there are no retries left for these records.
    fn is_over(&self, records: &[Json], tries: u64) -> bool {
        let made =
            records.first().and_then(|record| record["dynamodb"]["ApproximateCreationDateTime"].as_f64());
        let age = made
            .map(|made| Duration::from_millis((self.clock)()).saturating_sub(Duration::from_secs_f64(made)));
        self.stream.retries.is_some_and(|retries| tries >= retries)
            || age.zip(self.stream.longest_age).is_some_and(|(age, longest)| age > longest)
    }

    fn remember(&self) {
        let (Some(path), Some(after)) = (&self.checkpoint, &self.after) else { return };
        // Written beside and then renamed. What cannot be remembered is done again after a restart.
        let beside = path.with_extension("new");
        if let Err(error) = fs::write(&beside, after).and_then(|()| fs::rename(&beside, path)) {
            self.say("the place in the stream is not kept", &error.to_string());
        }
    }

    fn say(&self, message: &str, cause: &str) {
        let line = json!({"level": "ERROR", "message": message, "function": self.id, "cause": cause});
        (self.log)(&line.to_string());
    }
}

fn recall(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(after) => Ok(Some(after)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;
    use crate::gateway::consumer;
    use crate::{Storage, Template, system_clock};

    /// A table, a function that notes the names of the mails it is called with, and its settings.
    struct Setup {
        engine: Engine,
        function: Function,
        calls: Arc<Mutex<Vec<Vec<String>>>>,
        log: Arc<Mutex<Vec<String>>>,
    }

    impl Setup {
        fn new(change: impl FnOnce(&mut StreamSource)) -> Self {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
            let mut template = Template::read(&path, &BTreeMap::new()).unwrap();
            let engine = Engine::open(Storage::Memory, &template.table).unwrap();
            let mut function = template.functions.remove("MailFunction").unwrap();
            change(&mut function.streams[0]);
            Self { engine, function, calls: Arc::default(), log: Arc::default() }
        }

        /// Starts a pump to a function that panics when `fails` says so of one of its mails.
        async fn start(&self, folder: Option<&Path>, fails: fn(&str) -> bool) -> (Pump, JoinHandle<()>) {
            let calls = self.calls.clone();
            let handle = consumer(move |event: Json| {
                let calls = calls.clone();
                async move {
                    let name =
                        |record: &Json| record["dynamodb"]["NewImage"]["pk"]["S"].as_str().map(str::to_owned);
                    let names: Vec<_> =
                        event["Records"].as_array().unwrap().iter().filter_map(name).collect();
                    calls.lock().unwrap().push(names.clone());
                    assert!(!names.iter().any(|name| fails(name)), "as the test asks");
                    json!({})
                }
            });
            self.start_with(folder, &handle, &system_clock()).await
        }

        async fn start_with(
            &self,
            folder: Option<&Path>,
            handle: &FunctionHandle,
            clock: &Clock,
        ) -> (Pump, JoinHandle<()>) {
            let lines = self.log.clone();
            let log: LogSink = Arc::new(move |line| lines.lock().unwrap().push(line.to_owned()));
            let stream = &self.function.streams[0];
            let (engine, function) = (&self.engine, &self.function);
            let source = Source { engine, id: "F", function, handle, stream, folder, clock, log: &log };
            Pump::start(source).await.unwrap()
        }

        async fn put(&self, name: &str, kind: &str) {
            let item = json!({"pk": {"S": name}, "sk": {"S": "x"}, "recordKind": {"S": kind}});
            let body = json!({"TableName": "Table", "Item": item}).to_string();
            let (status, answer) = self.engine.call("PutItem", body.into()).await;
            assert_eq!(status, 200, "{answer:?}");
        }

        fn calls(&self) -> Vec<Vec<String>> {
            std::mem::take(&mut self.calls.lock().unwrap())
        }
    }

    #[tokio::test]
    async fn what_was_written_before_comes_too_and_nothing_twice() {
        let setup = Setup::new(|stream| stream.batch = 2);
        for name in ["a", "b", "c"] {
            setup.put(name, "mail").await;
            setup.put(&format!("{name} client"), "cli").await;
        }
        let (pump, _task) = setup.start(None, |_| false).await;
        pump.catch_up().await;
        assert_eq!(setup.calls(), [vec!["a", "b"], vec!["c"]]);
        pump.catch_up().await;
        setup.put("d", "mail").await;
        pump.catch_up().await;
        assert_eq!(setup.calls(), [["d"]]);
    }

    #[tokio::test]
    async fn latest_begins_with_what_is_written_next() {
        let setup = Setup::new(|stream| stream.from_beginning = false);
        setup.put("before", "mail").await;
        let (pump, _task) = setup.start(None, |_| false).await;
        setup.put("after", "mail").await;
        pump.catch_up().await;
        assert_eq!(setup.calls(), [["after"]]);
    }

    #[tokio::test]
    async fn a_batch_that_fails_is_halved_and_only_what_fails_is_given_up() {
        let setup = Setup::new(|stream| stream.retries = Some(3));
        for name in ["a", "b", "poison", "d", "e"] {
            setup.put(name, "mail").await;
        }
        let (pump, _task) = setup.start(None, |name| name == "poison").await;
        pump.catch_up().await;
        let calls = setup.calls();
        let succeeded: Vec<_> =
            calls.iter().filter(|call| !call.iter().any(|name| name == "poison")).flatten().collect();
        assert_eq!(succeeded, ["a", "b", "d", "e"], "{calls:?}");
        let log = setup.log.lock().unwrap().clone();
        assert!(matches!(&log[..], [line] if line.contains("\"1 from 1")), "{log:?}");
    }

    /// What the function of [`Setup::waits_at`] has done.
    #[derive(Clone, Default)]
    struct Done {
        sent: Arc<Mutex<Vec<String>>>,
        calls: Arc<Mutex<u64>>,
    }

    /// A function that reports the first mail of this name, as long as it was called fewer times.
    fn waits_at(name: &'static str, until: u64, done: &Done) -> FunctionHandle {
        let done = done.clone();
        consumer(move |event: Json| {
            let done = done.clone();
            async move {
                let calls = {
                    let mut calls = done.calls.lock().unwrap();
                    *calls += 1;
                    *calls
                };
                for record in event["Records"].as_array().unwrap() {
                    let found = record["dynamodb"]["NewImage"]["pk"]["S"].as_str().unwrap();
                    if found == name && calls < until {
                        return json!({"batchItemFailures": [{"itemIdentifier": sequence_number(record)}]});
                    }
                    done.sent.lock().unwrap().push(found.to_owned());
                }
                json!({"batchItemFailures": []})
            }
        })
    }

    #[tokio::test]
    async fn what_is_reported_waits_with_all_behind_it_however_often() {
        let setup = Setup::new(|_| ());
        for name in ["a", "b", "c", "d"] {
            setup.put(name, "mail").await;
        }
        let done = Done::default();
        // More often than the six times that were once all.
        let handle = waits_at("b", 10, &done);
        let (pump, _task) = setup.start_with(None, &handle, &system_clock()).await;
        pump.catch_up().await;
        assert_eq!(*done.sent.lock().unwrap(), ["a", "b", "c", "d"]);
        assert!(*done.calls.lock().unwrap() >= 10);
        assert!(setup.log.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_waits_longer_than_the_template_says_is_given_up() {
        let setup = Setup::new(|_| ());
        for name in ["a", "b", "c"] {
            setup.put(name, "mail").await;
        }
        let done = Done::default();
        let handle = waits_at("b", u64::MAX, &done);
        let now = system_clock();
        let later: Clock = Arc::new(move || now() + 6 * 3600 * 1000 + 60_000);
        let (pump, _task) = setup.start_with(None, &handle, &later).await;
        pump.catch_up().await;
        // With it go those that were in its batch: they are as old.
        let log = setup.log.lock().unwrap().clone();
        assert_eq!((&done.sent.lock().unwrap()[..1], log.len()), (&["a".to_owned()][..], 1), "{log:?}");
        assert!(log[0].contains("gave up on records of the stream"), "{log:?}");
    }

    #[tokio::test]
    async fn a_restart_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let setup = Setup::new(|_| ());
        setup.put("a", "mail").await;
        let (pump, task) = setup.start(Some(folder.path()), |_| false).await;
        pump.catch_up().await;
        task.abort();
        assert_eq!(setup.calls(), [["a"]]);
        setup.put("b", "mail").await;
        let (pump, _task) = setup.start(Some(folder.path()), |_| false).await;
        pump.catch_up().await;
        assert_eq!(setup.calls(), [["b"]]);
    }
}
