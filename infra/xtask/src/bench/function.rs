//! A function's real binary, as it is deployed, in front of a local table and a stand-in for the Runtime
//! API.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nexo_local::Server;
use serde_json::Value;
use tokio::net::TcpListener;

use super::runtime_api::RuntimeApi;
use crate::process::{Running, cargo, program, project, run, target};

/// Builds a function as it is deployed (`make functions`: all of them resolve their features together), and
/// answers where it is. `settings` are for cargo's environment.
///
/// # Errors
/// It cannot be built.
pub(super) fn build(name: &str, settings: &[(&str, &str)]) -> Result<PathBuf, String> {
    let mut build = cargo(&["build", "--quiet", "--locked", "--profile", "deploy", "--bin", name]);
    let functions = fs::read_dir(project().join("functions")).map_err(|error| error.to_string())?;
    for function in functions {
        let function = function.map_err(|error| error.to_string())?;
        build.arg("--package").arg(function.file_name());
    }
    run(build.envs(settings.iter().copied()))?;
    Ok(target()?.join("deploy").join(name))
}

/// Serves a table at an address while `work` goes on with it.
///
/// # Errors
/// There is no port, or what `work` says.
pub(super) async fn beside_table(
    server: &Server,
    work: impl AsyncFnOnce(&str) -> Result<(), String>,
) -> Result<(), String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(|error| error.to_string())?;
    let endpoint = format!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let door = nexo_local::door::serve(server.door().clone(), listener, std::future::pending());
    tokio::select! {
        closed = door => Err(format!("the table's door closed: {closed:?}")),
        done = work(&endpoint) => done,
    }
}

/// A binary, and what it is asked.
pub(super) struct Function {
    pub(super) binary: PathBuf,
    pub(super) environment: BTreeMap<String, String>,
    pub(super) event: String,
    /// The status of its answers.
    pub(super) status: u16,
}

impl Function {
    /// The instructions from exec to the last of so many answers, or with none to the first time it
    /// asks for an event.
    pub(super) async fn instructions(&self, answers: usize, folder: &Path) -> Result<u64, String> {
        let name = self.binary.file_name().unwrap_or_default().display();
        let counts = folder.join(format!("callgrind.{name}.{answers}"));
        let text = self.count(answers, &counts).await?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok());
        total.ok_or_else(|| format!("{}: no totals", counts.display()))
    }

    /// Callgrind's report of the same, which it leaves in the file `counts`.
    pub(super) async fn count(&self, answers: usize, counts: &Path) -> Result<String, String> {
        let mut valgrind = program("valgrind", &["--tool=callgrind", "--quiet"]);
        valgrind.arg(format!("--callgrind-out-file={}", counts.display())).arg(&self.binary);
        let (function, _api) = self.serve(valgrind, answers).await?;
        function.terminate()?;
        fs::read_to_string(counts).map_err(|error| format!("{}: {error}", counts.display()))
    }

    /// The most memory it has had after many requests, in KB.
    pub(super) async fn peak_kilobytes(&self, answers: usize) -> Result<u64, String> {
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
        let mut running =
            Running::start(command.env("PATH", "/usr/local/bin:/usr/bin:/bin").stderr(Stdio::null()))?;
        let last = tokio::select! {
            last = api.serve() => last?,
            () = running.ended() => return Err(format!("{} ended by itself", self.binary.display())),
        };
        let answer: Value = serde_json::from_slice(&last).unwrap_or_default();
        if answers > 0 && answer["statusCode"] != self.status {
            return Err(format!("{} answers {answer}", self.binary.display()));
        }
        Ok((running, api))
    }

    pub(super) fn bytes(&self) -> Result<u64, String> {
        size(&self.binary)
    }

    pub(super) fn zipped(&self, folder: &Path) -> Result<u64, String> {
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
