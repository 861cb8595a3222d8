//! Real binaries, as Lambda runs them: `NEXO_RIE` names AWS's runtime interface emulator
//! (`infra/tools/README.md`).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use nexo_tests::{Nexo, project};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

use super::{answer, event, invoke};

/// Members that differ between two requests: their names, when they were made, how long they took.
const OF_THE_MOMENT: [&str; 5] = ["checkedAt", "latencyMs", "requestId", "timestamp", "uptimeSeconds"];

/// A function's real binary, waiting for events.
struct Emulated {
    url: String,
    http: reqwest::Client,
    /// Killed when this is dropped, and the function with it.
    _emulator: Child,
}

impl Emulated {
    /// Starts the emulator; it starts `binary` at the first event, with `environment` and nothing else.
    async fn start(emulator: &str, binary: &str, environment: &BTreeMap<String, String>) -> Self {
        let (invocations, runtime) = (free_address().await, free_address().await);
        let child = Command::new(emulator)
            .args(["--runtime-interface-emulator-address", &invocations.to_string()])
            .args(["--runtime-api-address", &runtime.to_string()])
            .arg(target().join(binary))
            .env_clear()
            .envs(environment)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the emulator starts");
        let url = format!("http://{invocations}/2015-03-31/functions/function/invocations");
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(invocations).await.is_ok() {
                return Self { url, http: reqwest::Client::new(), _emulator: child };
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the emulator does not listen on {invocations}");
    }

    async fn invoke(&self, event: &str) -> (u16, Value) {
        let reply = self.http.post(&self.url).body(event.to_owned()).send().await.unwrap();
        let reply = reply.text().await.unwrap();
        answer(&serde_json::from_str(&reply).unwrap_or_else(|error| panic!("{error}: {reply}")))
    }
}

/// Where cargo puts binaries: this test's own is in its `deps`.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).unwrap().to_owned()
}

/// An address that nobody listens on now.
async fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

/// The emulator. CI must have it; elsewhere a test without it says so and ends.
#[expect(clippy::disallowed_methods, reason = "a test's own settings")]
fn emulator() -> Option<String> {
    let emulator = std::env::var("NEXO_RIE").ok().filter(|path| !path.is_empty());
    if emulator.is_none() {
        assert!(std::env::var("CI").is_err(), "CI runs the real binaries: set NEXO_RIE");
        // Not `eprintln`, which the test runner keeps to itself.
        let _ = writeln!(std::io::stderr(), "SKIPPED, NEXO_RIE is not set: real binaries under the emulator");
    }
    emulator
}

/// Builds the binaries: `cargo test` builds only what has tests. The whole workspace's features are
/// the ones that are built already.
async fn build(binaries: &[&str]) {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked"]).current_dir(project());
    // Cargo describes the package under test in the environment, and build scripts such as ring's watch
    // those variables: with them everything that needs ring would be compiled again.
    #[expect(clippy::disallowed_methods, reason = "to be removed for the child")]
    let described = std::env::vars().filter(|(name, _)| name.starts_with("CARGO_"));
    for (name, _) in
        described.filter(|(name, _)| !["CARGO_HOME", "CARGO_TARGET_DIR"].contains(&name.as_str()))
    {
        cargo.env_remove(name);
    }
    for binary in binaries {
        cargo.args(["--bin", binary]);
    }
    assert!(cargo.status().await.unwrap().success(), "the functions' binaries are built");
}

#[tokio::test]
async fn the_real_binaries_answer_like_the_functions_here() {
    let Some(emulator) = emulator() else { return };
    build(&["clients", "health"]).await;
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.client("Analytical Engines").await;
    let learnt = BTreeMap::from([
        ("{{ACCESS_TOKEN}}", company.token().to_owned()),
        ("{{CLIENT_ID}}", client["id"].as_str().unwrap().to_owned()),
    ]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let door = nexo_local::door::serve(nexo.door().clone(), listener, std::future::pending());
    let compare = async {
        for (id, binary, events) in [
            ("HealthFunction", "health", &["health-get"][..]),
            ("ClientsFunction", "clients", &["clients-list-no-token", "clients-list", "clients-get"]),
        ] {
            let environment = nexo.server().environment(id, &endpoint).unwrap();
            let function = Emulated::start(&emulator, binary, &environment).await;
            for name in events {
                let event = event(name, &learnt);
                let (emulated, here) = (function.invoke(&event).await, invoke(&nexo, &event).await);
                assert_eq!(lasting(emulated), lasting(here), "{name}");
            }
            if id == "ClientsFunction" {
                let (status, changed) = function.invoke(&event("clients-update", &learnt)).await;
                assert_eq!((status, &changed["status"]), (200, &"inactive".into()), "{changed}");
                assert_eq!(invoke(&nexo, &event("clients-get", &learnt)).await.1, changed);
            }
        }
    };
    tokio::select! {
        served = door => panic!("the door closed: {served:?}"),
        () = compare => {}
    }
}

/// An answer without what is of the moment.
fn lasting((status, mut body): (u16, Value)) -> (u16, Value) {
    forget(&mut body);
    (status, body)
}

fn forget(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, _| !OF_THE_MOMENT.contains(&name.as_str()));
            members.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}
