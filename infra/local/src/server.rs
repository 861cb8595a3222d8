//! The whole product in one process.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use nexo_api::{LogSink, Platform, app};
use nexo_identity::{Clock, CredentialVendor};
use nexo_store::{StoreConfig, StsVendor};
use nexo_tenant_key::CursorKey;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::bucket::{BucketConnector, BucketDoor, Consumer};
use crate::clock::request_id;
use crate::external::{External, ensure_table};
use crate::functions::{
    CONSUMERS, Environment, FUNCTIONS, MakeConsumer, SIGNING_REGION as REGION, Surroundings, auth_settings,
    bucket,
};
use crate::issuer::{CallerIdentity, LocalIssuer};
use crate::mailbox::Mailbox;
use crate::pump::{Pump, Source};
use crate::secrets::Secrets;
use crate::template::IpRateLimit;
use crate::{Door, DoorConnector, Engine, FunctionHandle, Gateway, Storage, Template, function, schedule};

/// How long expired items stay, as DynamoDB's TTL removes them in the background.
const SWEEP: std::time::Duration = std::time::Duration::from_mins(1);

/// What to serve, and where.
#[derive(Clone)]
pub struct Options {
    /// The SAM template.
    pub template: PathBuf,
    /// Where data is kept; `None` keeps nothing.
    pub data: Option<PathBuf>,
    /// The port on 127.0.0.1; 0 takes any that is free.
    pub port: u16,
    /// Another limit per address than the template's: `Some(None)` is none at all.
    pub rate_limit: Option<Option<IpRateLimit>>,
    /// Another DynamoDB-compatible server in place of the embedded one.
    pub external: Option<External>,
    /// The port on 127.0.0.1 where the guarded table is served for functions' real binaries, such as
    /// those that `sam local invoke` runs.
    pub engine_port: Option<u16>,
    /// Where the functions' log lines go.
    pub log: LogSink,
    /// The time.
    pub clock: Clock,
}

/// Why the server cannot start: one line that says what to do about.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The template, or what it describes, is wrong.
    #[error("{0}")]
    Template(String),
    /// The data folder cannot be used.
    #[error("{0}")]
    Data(String),
    /// The port cannot be listened on.
    #[error("port {port}: {reason}; choose another with --port")]
    Port {
        /// The port.
        port: u16,
        /// Why not.
        reason: std::io::Error,
    },
    /// A function does not start.
    #[error("{function} does not start: {reason}")]
    Function {
        /// Its logical id.
        function: String,
        /// Why not.
        reason: String,
    },
}

/// A running server. Dropping it stops it at once; [`Server::stop`] lets running requests end.
pub struct Server {
    address: SocketAddr,
    gateway: Gateway,
    functions: BTreeMap<String, FunctionHandle>,
    time: crate::Clock,
    door: Door,
    files: Option<BucketDoor>,
    pumps: Vec<Pump>,
    template: Template,
    secrets: Secrets,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts the server and returns when it answers.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let mut template = Template::read(&options.template, &BTreeMap::new())
            .map_err(|error| StartError::Template(error.to_string()))?;
        if let Some(limit) = options.rate_limit {
            template.ip_rate_limit = limit;
        }
        let listener = listen(options.port).await?;
        let address =
            listener.local_addr().map_err(|reason| StartError::Port { port: options.port, reason })?;
        let data = |error: String| StartError::Data(error);
        let secrets = Secrets::open(options.data.as_deref()).map_err(data)?;
        let issuer = LocalIssuer::from_key(secrets.issuer_key);
        let storage = options.data.as_deref().map_or(Storage::Memory, Storage::Folder);
        let engine = Engine::open(storage, &template.table).map_err(|error| data(error.to_string()))?;
        let clock = options.clock.clone();
        let time: crate::Clock = Arc::new(move || u64::try_from(clock.now_ms()).unwrap_or_default());
        let door = Door::new(engine.clone(), issuer.clone(), &template, time.clone());
        if let Some(external) = &options.external {
            let made = ensure_table(&external.endpoint, REGION, external.credentials(), &template.table);
            made.await.map_err(StartError::Data)?;
        }
        let url = format!("http://{address}");
        let files = template.bucket.as_ref().map(|bucket| {
            BucketDoor::open(options.data.as_deref(), bucket, issuer.clone(), &template, time.clone())
        });
        let files = files.transpose().map_err(StartError::Data)?;
        let mut handles = start_functions(&options, &template, &door, &issuer, &secrets, &url).await?;
        let mailbox = Mailbox::new(options.clock.clone());
        let around =
            Around { issuer: &issuer, door: &door, mailbox: &mailbox, files: files.as_ref(), address };
        let consumers = start_consumers(&options, &template, &secrets, &around)?;
        let (pumps, mut background) = start_pumps(&options, &template, &engine, &consumers, &time).await?;
        let mut local = mailbox.routes(&pumps);
        if let Some(files) = &files {
            let told = template.functions.iter().find_map(|(id, it)| Some((id, it, it.arrivals.clone()?)));
            let (id, described, arrivals) = told.ok_or_else(|| {
                StartError::Template("template.yaml: no event of the bucket calls a function".to_owned())
            })?;
            let handle = called(&consumers, id, "the bucket")?.clone();
            let consumer = Consumer { id: id.clone(), handle, timeout: described.timeout, arrivals };
            background.push(files.announce_to(consumer, options.log.clone()));
            local = local.merge(files.routes());
        }
        if let Some(folder) = &options.data {
            for (id, described) in template.functions.iter().filter(|(_, it)| !it.schedules.is_empty()) {
                let handle = called(&consumers, id, "its schedule")?;
                background.extend(schedule::start(id, described, handle, folder, &time, &options.log));
            }
        }
        let gateway = Gateway::new(&template, handles.clone(), Some(local), time.clone())
            .map_err(|error| StartError::Template(error.to_string()))?;
        let inside = gateway.clone();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            // A sender that is gone means the same as one that has sent.
            let _ = stopped.await;
        };
        #[expect(clippy::disallowed_methods, reason = "the server itself; stop() waits for it")]
        let running = tokio::spawn(gateway.serve(listener, shutdown));
        handles.extend(consumers);
        background.push(spawn_sweeper(engine));
        if let Some(port) = options.engine_port {
            background.push(serve_engine(door.clone(), port).await?);
        }
        Ok(Self {
            address,
            gateway: inside,
            functions: handles,
            time,
            door,
            files,
            pumps,
            template,
            secrets,
            stop: Some(stop),
            running,
            background,
        })
    }

    /// Where it listens, such as `http://127.0.0.1:4000`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers a request as if it had come from this machine.
    pub async fn handle(&self, request: http::Request<axum::body::Body>) -> http::Response<axum::body::Body> {
        self.gateway.handle(request, self.address).await
    }

    /// Calls a function with an event, as `sam local invoke` does.
    ///
    /// # Errors
    /// There is no such function, or it failed: it panicked, or took longer than it may.
    pub async fn invoke(&self, function: &str, event: Vec<u8>) -> Result<Vec<u8>, String> {
        let handle = self.functions.get(function).ok_or("no such function")?;
        let limit = self.template.functions.get(function).map(|it| it.timeout).unwrap_or_default();
        let now_ms = (self.time)();
        let reply = handle.invoke(event, &request_id(now_ms), now_ms, limit).await;
        reply.map_err(|error| format!("{function}: {error:?}"))
    }

    /// The guard in front of the table, with its log and its faults.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// The door to the bucket of files, where the template has one.
    pub fn files(&self) -> Option<&BucketDoor> {
        self.files.as_ref()
    }

    /// Waits until functions were called with all that has happened in the bucket and in the table so far, and with
    /// what followed from that.
    pub async fn catch_up(&self) {
        if let Some(files) = &self.files {
            files.catch_up().await;
        }
        for pump in &self.pumps {
            pump.catch_up().await;
        }
    }

    /// The template it was built from.
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The environment of a function's real binary that is to use this server's table through
    /// `endpoint`, where [`crate::door::serve`] listens.
    ///
    /// # Errors
    /// When there is no such function, or its credentials cannot be sealed.
    pub fn environment(&self, function: &str, endpoint: &str) -> Result<Environment, String> {
        let mut environment = environment(&self.template, &self.secrets, function, endpoint)?;
        name_bucket(&mut environment, &self.url());
        Ok(environment)
    }

    /// Stops: no new requests, the running ones are answered first.
    ///
    /// # Errors
    /// When serving had ended by a panic.
    pub async fn stop(mut self) -> std::io::Result<()> {
        if let Some(stop) = self.stop.take() {
            // A receiver that is gone has stopped already.
            let _ = stop.send(());
        }
        (&mut self.running).await.map_err(std::io::Error::other)?;
        // Waited for, so that the data folder is free.
        for task in &mut self.background {
            task.abort();
            let _ = task.await;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.background.iter().for_each(JoinHandle::abort);
        if self.stop.is_some() {
            self.running.abort();
        }
    }
}

/// The environment of a function's real binary that is to use the table of a data folder, which
/// `cargo dev --engine-port` serves at `endpoint`.
///
/// # Errors
/// When the template or the folder cannot be read, or there is no such function.
pub fn environment_in(
    template: &Path,
    data: &Path,
    function: &str,
    endpoint: &str,
) -> Result<Environment, String> {
    let template = Template::read(template, &BTreeMap::new()).map_err(|error| error.to_string())?;
    environment(&template, &Secrets::open(Some(data))?, function, endpoint)
}

fn environment(
    template: &Template,
    secrets: &Secrets,
    function: &str,
    endpoint: &str,
) -> Result<Environment, String> {
    let described =
        template.functions.get(function).ok_or_else(|| format!("the template has no {function}"))?;
    let issuer = LocalIssuer::from_key(secrets.issuer_key);
    let token = seal_role(&issuer, &described.role)?;
    let mut environment = described.environment.clone();
    secrets.fill(&mut environment);
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "local"),
        ("AWS_SECRET_ACCESS_KEY", &issuer.secret(&token)),
        ("AWS_SESSION_TOKEN", &token),
        ("AWS_REGION", REGION),
        ("NEXO_DYNAMODB_ENDPOINT", endpoint),
        ("NEXO_STS_ENDPOINT", endpoint),
    ] {
        environment.insert(name.to_owned(), value.to_owned());
    }
    Ok(environment)
}

async fn listen(port: u16) -> Result<TcpListener, StartError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|reason| StartError::Port { port, reason })
}

async fn start_functions(
    options: &Options,
    template: &Template,
    door: &Door,
    issuer: &LocalIssuer,
    secrets: &Secrets,
    url: &str,
) -> Result<BTreeMap<String, FunctionHandle>, StartError> {
    let connector = SharedHttpClient::new(DoorConnector::new(door.clone()));
    let mut handles = BTreeMap::new();
    for (id, make) in FUNCTIONS {
        let fail = |reason: String| StartError::Function { function: (*id).to_owned(), reason };
        let Some(described) = template.functions.get(*id) else {
            return Err(StartError::Template(format!("template.yaml: {id} is missing")));
        };
        let mut environment = described.environment.clone();
        secrets.fill(&mut environment);
        name_bucket(&mut environment, url);
        let own_role = own_role(issuer, &described.role).map_err(fail)?;
        let platform = platform(options, template, &connector, &environment, own_role);
        if *id == "AuthFunction" {
            let settings = auth_settings(&environment);
            auth::publish_keys(&platform, &settings).await.map_err(|error| fail(error.to_string()))?;
        }
        let routes = make(&platform, &environment).map_err(fail)?;
        handles.insert((*id).to_owned(), function(app(routes)));
    }
    Ok(handles)
}

/// What functions that events call find around them.
struct Around<'a> {
    issuer: &'a LocalIssuer,
    door: &'a Door,
    mailbox: &'a Mailbox,
    files: Option<&'a BucketDoor>,
    address: SocketAddr,
}

/// The function of an event.
fn called<'a>(
    consumers: &'a BTreeMap<String, FunctionHandle>,
    id: &str,
    by: &str,
) -> Result<&'a FunctionHandle, StartError> {
    let missing = || StartError::Template(format!("template.yaml: {id}: no code is given for {by}"));
    consumers.get(id).ok_or_else(missing)
}

/// The bucket is on the gateway's port, so that what is signed for it can be used from anywhere here.
fn name_bucket(environment: &mut Environment, url: &str) {
    if let Some(endpoint) = environment.get_mut("NEXO_S3_ENDPOINT") {
        url.clone_into(endpoint);
    }
}

/// The functions that events call.
fn start_consumers(
    options: &Options,
    template: &Template,
    secrets: &Secrets,
    around: &Around<'_>,
) -> Result<BTreeMap<String, FunctionHandle>, StartError> {
    let connector = SharedHttpClient::new(DoorConnector::new(around.door.clone()));
    let start = |(id, make): &(&str, MakeConsumer)| {
        let fail = |reason: String| StartError::Function { function: (*id).to_owned(), reason };
        let Some(described) = template.functions.get(*id) else {
            return Err(StartError::Template(format!("template.yaml: {id} is missing")));
        };
        let mut environment = described.environment.clone();
        secrets.fill(&mut environment);
        if let Some(page) = environment.get_mut("NEXO_LINK_PAGE") {
            *page = format!("http://{}/api/auth/link", around.address);
        }
        name_bucket(&mut environment, &format!("http://{}", around.address));
        let own_role = own_role(around.issuer, &described.role).map_err(fail)?;
        let platform = platform(options, template, &connector, &environment, own_role.clone());
        // A template without a bucket has no function that calls one.
        let http = around
            .files
            .map_or_else(StoreConfig::https, |files| SharedHttpClient::new(BucketConnector(files.clone())));
        let bucket = bucket(&environment, own_role, http, &platform);
        let (mailbox, environment) = (around.mailbox, &environment);
        let made = make(&Surroundings { environment, platform: &platform, bucket: &bucket, mailbox });
        Ok(((*id).to_owned(), made.map_err(fail)?))
    };
    CONSUMERS.iter().map(start).collect()
}

/// A pump for each event source on the stream.
async fn start_pumps(
    options: &Options,
    template: &Template,
    engine: &Engine,
    consumers: &BTreeMap<String, FunctionHandle>,
    clock: &crate::Clock,
) -> Result<(Vec<Pump>, Vec<JoinHandle<()>>), StartError> {
    let (mut pumps, mut tasks) = (Vec::new(), Vec::new());
    for (id, function) in &template.functions {
        for stream in &function.streams {
            let handle = called(consumers, id, "its stream")?;
            let (folder, log) = (options.data.as_deref(), &options.log);
            let source = Source { engine, id, function, handle, stream, folder, clock, log };
            let (pump, task) = Pump::start(source).await.map_err(StartError::Data)?;
            pumps.push(pump);
            tasks.push(task);
        }
    }
    Ok((pumps, tasks))
}

fn platform(
    options: &Options,
    template: &Template,
    connector: &SharedHttpClient,
    environment: &Environment,
    own_role: Credentials,
) -> Platform {
    let variable = |name: &str| environment.get(name).cloned();
    let sts = connector.clone();
    let vendor = variable("NEXO_TENANT_ROLE_ARN").map(|role| -> Box<dyn CredentialVendor> {
        if let Some(external) = &options.external {
            return Box::new(external.clone());
        }
        let endpoint = Some(IN_PROCESS.to_owned());
        Box::new(StsVendor::new(role, REGION.into(), endpoint, own_role.clone(), sts))
    });
    let (endpoint, own_role, http) = match &options.external {
        Some(external) => (external.endpoint.clone(), external.credentials(), StoreConfig::https()),
        None => (IN_PROCESS.to_owned(), own_role, connector.clone()),
    };
    let store = StoreConfig {
        table: template.table.name.clone(),
        region: REGION.into(),
        endpoint: Some(endpoint),
        own_role,
        http,
        clock: options.clock.clone(),
    };
    let mut platform = Platform::new(store, &variable("NEXO_ISSUER").unwrap_or_default(), vendor);
    platform.cursors = variable("NEXO_CURSOR_SECRET").map(|secret| CursorKey::from_secret(secret.as_bytes()));
    platform.log = options.log.clone();
    platform
}

/// The connector calls the guard directly: the name is never looked up.
const IN_PROCESS: &str = "http://door.invalid";

/// The credentials of a function's own role.
fn own_role(issuer: &LocalIssuer, role: &str) -> Result<Credentials, String> {
    let token = seal_role(issuer, role)?;
    Ok(Credentials::new("local", issuer.secret(&token), Some(token), None, "local"))
}

fn seal_role(issuer: &LocalIssuer, role: &str) -> Result<String, String> {
    issuer.seal(&CallerIdentity::Function { role: role.to_owned() }).map_err(|error| error.to_string())
}

async fn serve_engine(door: Door, port: u16) -> Result<JoinHandle<()>, StartError> {
    let listener = listen(port).await?;
    #[expect(clippy::disallowed_methods, reason = "ends with the server")]
    Ok(tokio::spawn(async move {
        // It ends with the server, or when its listener fails: then its callers see that.
        let _ = crate::door::serve(door, listener, std::future::pending()).await;
    }))
}

fn spawn_sweeper(engine: Engine) -> JoinHandle<()> {
    #[expect(clippy::disallowed_methods, reason = "ends with the server")]
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(SWEEP).await;
            // What was not swept now is swept next time; readers do not rely on it.
            let _ = engine.sweep_expired().await;
        }
    })
}

/// Resolves at Ctrl-C or SIGTERM.
///
/// # Errors
/// When signals cannot be listened for.
pub fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
