//! `cargo xtask bench init`: what a cold start costs, against a function that does nothing.
//!
//! Instructions, not time: they are the same on every machine. The function's real binary runs under
//! callgrind, with a stand-in for the Runtime API and a local table behind its guard.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;
use nexo_local::Server;
use serde_json::Value;
use tokio::net::TcpListener;

use super::runtime_api::RuntimeApi;
use crate::local::{self, User};
use crate::process::{Running, cargo, program, project, run, target};

/// The packages whose features a deployment resolves together (`make functions`).
const DEPLOYED: [&str; 6] = ["auth", "clients", "fallback", "health", "mail", "users"];

/// How often the warm request is made, under callgrind and without it.
const WARM: usize = 200;
const MANY: [usize; 2] = [10_000, 100_000];

struct Function {
    binary: PathBuf,
    environment: BTreeMap<String, String>,
    event: String,
}

/// Where to leave what was counted.
#[derive(Args)]
pub(crate) struct Init {
    /// Keep callgrind's files here, for `callgrind_annotate`; names are in them after a build with
    /// `CARGO_PROFILE_DEPLOY_STRIP=none`
    #[arg(long)]
    keep: Option<PathBuf>,
}

impl Init {
    /// Builds both functions as they are deployed, measures them, and prints.
    ///
    /// # Errors
    /// Something needed is missing, or an answer is not what it should be.
    pub(crate) async fn run(&self) -> Result<(), String> {
        build()?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let kept = self.keep.as_deref().unwrap_or(folder.path());
        fs::create_dir_all(kept).map_err(|error| format!("{}: {error}", kept.display()))?;
        measure(kept).await
    }
}

/// Serves a local table, and measures both functions in front of it.
async fn measure(folder: &Path) -> Result<(), String> {
    let server = local::start(None).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
    let endpoint = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let door = nexo_local::door::serve(server.door().clone(), listener, std::future::pending());
    tokio::select! {
        closed = door => Err(format!("the table's door closed: {closed:?}")),
        done = compare(&server, &endpoint, folder) => done,
    }
}

fn build() -> Result<(), String> {
    let profile = ["build", "--quiet", "--locked", "--profile", "deploy"];
    let mut clients = cargo(&profile);
    for package in DEPLOYED {
        clients.args(["--package", package]);
    }
    run(clients.args(["--bin", "clients"]))?;
    run(cargo(&profile).args(["--package", "bare"]))
}

async fn compare(server: &Server, endpoint: &str, folder: &Path) -> Result<(), String> {
    let user = User::register(server, "bench@company.example").await?;
    let id = user.create_client("Analytical Engines").await?;
    let path = project().join("events/clients-get.json");
    let event = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let event = event.replace("{{ACCESS_TOKEN}}", &user.token).replace("{{CLIENT_ID}}", &id);
    let target = target()?.join("deploy");
    let bare = Function { binary: target.join("bare"), environment: BTreeMap::new(), event: event.clone() };
    let environment = server.environment("ClientsFunction", endpoint)?;
    let clients = Function { binary: target.join("clients"), environment, event };

    println!("{:24} {:>12} {:>12} {:>7}", "", "bare", "clients", "ratio");
    row("exec to first /next", bare.instructions(0, folder).await?, clients.instructions(0, folder).await?);
    let (bare_get, get) = (bare.instructions(1, folder).await?, clients.instructions(1, folder).await?);
    row("exec to first GET", bare_get, get);
    let (bare_many, many) =
        (bare.instructions(WARM + 1, folder).await?, clients.instructions(WARM + 1, folder).await?);
    let warm = |many: u64, one: u64| many.saturating_sub(one) / WARM as u64;
    row("a warm GET", warm(bare_many, bare_get), warm(many, get));
    row("bytes, stripped", bare.bytes()?, clients.bytes()?);
    row("bytes, zipped", bare.zipped(folder)?, clients.zipped(folder)?);
    for many in MANY {
        let peaks = (bare.peak_kilobytes(many).await?, clients.peak_kilobytes(many).await?);
        row(&format!("peak KB, {many} GETs"), peaks.0, peaks.1);
    }
    Ok(())
}

fn row(what: &str, bare: u64, clients: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a ratio to two places")]
    let ratio = clients as f64 / bare as f64;
    println!("{what:24} {bare:>12} {clients:>12} {ratio:>7.2}");
}

impl Function {
    /// The instructions from exec to the last of so many answers, or with none to the first time it
    /// asks for an event.
    async fn instructions(&self, answers: usize, folder: &Path) -> Result<u64, String> {
        let name = self.binary.file_name().unwrap_or_default().display();
        let counts = folder.join(format!("callgrind.{name}.{answers}"));
        let mut valgrind = program("valgrind", &["--tool=callgrind", "--quiet"]);
        valgrind.arg(format!("--callgrind-out-file={}", counts.display())).arg(&self.binary);
        let (function, _api) = self.serve(valgrind, answers).await?;
        function.terminate()?;
        let text = fs::read_to_string(&counts).map_err(|error| format!("{}: {error}", counts.display()))?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
        total.ok_or_else(|| format!("{}: no totals", counts.display()))
    }

    /// The most memory it has had after many requests, in KB.
    async fn peak_kilobytes(&self, answers: usize) -> Result<u64, String> {
        let (function, _api) = self.serve(program(&self.binary, &[]), answers).await?;
        let path = format!("/proc/{}/status", function.id());
        let status = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
        let peak = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak.ok_or_else(|| format!("{path}: no VmHWM"))
    }

    /// Runs the function until it has answered so often. It still runs then, and waits for the answer
    /// to its last call.
    async fn serve(&self, mut command: Command, answers: usize) -> Result<(Running, RuntimeApi), String> {
        let mut api = RuntimeApi::new(self.event.clone(), answers).await?;
        command.env_clear().envs(&self.environment);
        for (name, value) in [
            ("AWS_LAMBDA_RUNTIME_API", api.address()?.to_string().as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ] {
            command.env(name, value);
        }
        // valgrind is found by the path; log lines are not what is measured.
        let running =
            Running::start(command.env("PATH", "/usr/local/bin:/usr/bin:/bin").stderr(Stdio::null()))?;
        let last = api.serve().await?;
        let answer: Value = serde_json::from_slice(&last).unwrap_or_default();
        if answers > 0 && answer["statusCode"] != 200 {
            return Err(format!("{} answers {answer}", self.binary.display()));
        }
        Ok((running, api))
    }

    fn bytes(&self) -> Result<u64, String> {
        size(&self.binary)
    }

    fn zipped(&self, folder: &Path) -> Result<u64, String> {
        let zip = folder.join("function.zip");
        // An archive that is there already would be added to.
        let _ = fs::remove_file(&zip);
        run(program("zip", &["-q", "-9", "-j"]).args([&zip, &self.binary]))?;
        size(&zip)
    }
}

fn size(path: &Path) -> Result<u64, String> {
    fs::metadata(path).map(|file| file.len()).map_err(|error| format!("{}: {error}", path.display()))
}
