//! `cargo xtask bench http`: the local server under load, over HTTP, with durable writes.
//!
//! Generator and server share the machine, so figures compare only within one run.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use clap::Args;
use nexo_local::demo::link_token;
use reqwest::{Client, Method};
use serde_json::{Value, json};

use crate::local::{client, registration};
use crate::process::{Running, cargo, output, program, project, run, target};

/// How hard to load the server.
#[derive(Args)]
pub(crate) struct Load {
    /// Requests of each kind
    #[arg(long, default_value_t = 10_000)]
    requests: u64,
    /// Connections at once
    #[arg(long, default_value_t = 16)]
    connections: u64,
    /// The load generator (`cargo install oha --locked`)
    #[arg(long, default_value = "oha")]
    oha: String,
}

/// Clients that are there from the start; a list answers 50 of them.
const CLIENTS: usize = 200;

/// The throttles of `template.yaml`, which a load test must not meet.
const THROTTLES: [(&str, &str); 2] = [
    (
        "ThrottleRate:\n    Type: Number\n    Default: 1000\n",
        "ThrottleRate:\n    Type: Number\n    Default: 1000000\n",
    ),
    (
        "ThrottleBurst:\n    Type: Number\n    Default: 2000\n",
        "ThrottleBurst:\n    Type: Number\n    Default: 1000000\n",
    ),
];

impl Load {
    /// Builds and starts the server as it is released, loads it, and prints.
    ///
    /// # Errors
    /// Something needed is missing, or an answer is no success.
    pub(crate) async fn run(&self) -> Result<(), String> {
        output(&mut program(&self.oha, &["--version"]))
            .map_err(|error| format!("{error}; install it with `cargo install oha --locked`"))?;
        run(&mut cargo(&[
            "build",
            "--quiet",
            "--locked",
            "--release",
            "--package",
            "nexo-local",
            "--bin",
            "nexo",
        ]))?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let (server, url) = start(folder.path())?;
        let (token, ids) = prepare(&url).await?;
        let (all, list) = (format!("{url}/api/clients"), format!("{url}/api/clients?limit=50"));
        // A list, not a pattern: what a pattern of an address makes need not be on this machine.
        let each: Vec<String> = ids.iter().map(|id| format!("{all}/{id}")).collect();
        let one = folder.path().join("urls").display().to_string();
        fs::write(&one, each.join("\n")).map_err(|error| error.to_string())?;
        let (created, changed) =
            (client("Northwind Traders").to_string(), r#"{"status":"active"}"#.to_owned());
        println!(
            "{} requests each, {} connections, writes durable\n{:8} {:>8} {:>8} {:>8} {:>8} {:>11}",
            self.requests, self.connections, "", "per s", "p50 ms", "p95 ms", "p99 ms", "CPU ms each"
        );
        for (name, method, addresses, body) in [
            ("get", "GET", ["--urls-from-file", &one].as_slice(), None),
            ("list 50", "GET", &[&list], None),
            ("create", "POST", &[&all], Some(&created)),
            ("update", "PATCH", &["--urls-from-file", &one], Some(&changed)),
        ] {
            let mut oha = program(&self.oha, &["--no-tui", "--output-format", "json"]);
            oha.args(["-n", &self.requests.to_string(), "-c", &self.connections.to_string(), "-m", method]);
            oha.args(["-H", &format!("authorization: Bearer {token}"), "-T", "application/json"]);
            if let Some(body) = body {
                oha.args(["-d", body]);
            }
            let before = cpu_milliseconds(server.id())?;
            let text = output(oha.args(addresses))?;
            let cpu = cpu_milliseconds(server.id())? - before;
            let report: Value = serde_json::from_str(&text).map_err(|error| format!("oha: {error}"))?;
            self.print(name, &report, cpu)?;
        }
        server.terminate()
    }

    fn print(&self, name: &str, report: &Value, cpu: f64) -> Result<(), String> {
        let statuses = report["statusCodeDistribution"].as_object().ok_or("oha reports no statuses")?;
        if statuses.keys().any(|status| !status.starts_with('2'))
            || report["errorDistribution"].as_object().is_some_and(|all| !all.is_empty())
        {
            return Err(format!("{name}: {statuses:?}, {}", report["errorDistribution"]));
        }
        let percentile = |name: &str| report["latencyPercentiles"][name].as_f64().unwrap_or(f64::NAN) * 1e3;
        let rate = report["summary"]["requestsPerSec"].as_f64().unwrap_or(f64::NAN);
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let each = cpu / self.requests as f64;
        let [p50, p95, p99] = ["p50", "p95", "p99"].map(percentile);
        println!("{name:8} {rate:>8.0} {p50:>8.2} {p95:>8.2} {p99:>8.2} {each:>11.3}");
        Ok(())
    }
}

/// Starts the server with its data in `folder` and without limits, and waits until it is ready.
fn start(folder: &Path) -> Result<(Running, String), String> {
    let failed = |error: std::io::Error| error.to_string();
    let mut template = fs::read_to_string(project().join("template.yaml")).map_err(failed)?;
    for (old, new) in THROTTLES {
        if !template.contains(old) {
            return Err(format!("template.yaml no longer has {old:?}"));
        }
        template = template.replacen(old, new, 1);
    }
    let copy = folder.join("template.yaml");
    fs::write(&copy, template).map_err(failed)?;
    let mut nexo = program(target()?.join("release/nexo"), &["--port", "0", "--no-demo", "--quiet"]);
    nexo.args(["--rate-limit", "off", "--template"]).arg(copy).arg("--data").arg(folder.join("data"));
    let mut server = Running::start(nexo.stdout(Stdio::piped()))?;
    let lines = BufReader::new(server.stdout().ok_or("the server has no output")?).lines();
    let ready = |line: String| line.strip_prefix("NEXO is ready at ").map(str::to_owned);
    let url = lines.map_while(Result::ok).find_map(ready).ok_or("the server does not get ready")?;
    Ok((server, url))
}

/// Registers a company with clients; its token and their ids.
async fn prepare(url: &str) -> Result<(String, Vec<String>), String> {
    let http = Client::new();
    let post = async |path: &str, token: &str, body: &Value, member: &str| -> Result<String, String> {
        let request = http.request(Method::POST, format!("{url}{path}")).bearer_auth(token).json(body);
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let body: Value = answer.json().await.map_err(|error| error.to_string())?;
        body[member].as_str().map(str::to_owned).ok_or_else(|| format!("{path} answers {body}"))
    };
    let failed = |error: reqwest::Error| error.to_string();
    let registration =
        http.post(format!("{url}/api/auth/register")).json(&registration("bench@company.example"));
    registration.send().await.map_err(failed)?;
    let mails = http.get(format!("{url}/dev/mail.json")).send().await.map_err(failed)?;
    let mails: Value = mails.json().await.map_err(failed)?;
    let mails = mails["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let link = link_token(mails, "register").ok_or("no mail came")?;
    let token = post("/api/auth/register/confirm", "", &json!({"token": link}), "accessToken").await?;
    let mut ids = Vec::new();
    for number in 0..CLIENTS {
        ids.push(post("/api/clients", &token, &client(&format!("Client {number}")), "id").await?);
    }
    Ok((token, ids))
}

/// The CPU time a process has had so far, in its own code and the kernel's.
fn cpu_milliseconds(process: u32) -> Result<f64, String> {
    let path = format!("/proc/{process}/stat");
    let text = fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    // Fields 14 and 15 (proc(5)); the second, a name in parentheses, may hold spaces.
    let fields = text.rsplit_once(')').map(|(_, fields)| fields.split_whitespace()).into_iter().flatten();
    let ticks: f64 = fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    let per_second = output(&mut program("getconf", &["CLK_TCK"]))?;
    let per_second: f64 = per_second.trim().parse().map_err(|_| "no clock tick".to_owned())?;
    Ok(ticks * 1e3 / per_second)
}
