//! `cargo xtask bench init`: what a cold start costs, against a function that does nothing.
//!
//! Instructions, not time: they are the same on every machine. The function's real binary runs under
//! callgrind, with a stand-in for the Runtime API and a local table behind its guard.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use nexo_identity::Clock;
use nexo_local::Server;

use super::function::{Function, beside_table, build};
use crate::local::{self, User};
use crate::process::{cargo, project, run, target};

/// How often the warm request is made, under callgrind and without it.
const WARM: usize = 200;
const MANY: [usize; 2] = [10_000, 100_000];

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
        build("clients", &[])?;
        run(&mut cargo(&["build", "--quiet", "--locked", "--profile", "deploy", "--package", "bare"]))?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let kept = self.keep.as_deref().unwrap_or(folder.path());
        fs::create_dir_all(kept).map_err(|error| format!("{}: {error}", kept.display()))?;
        let server = local::start(None, Clock::system()).await?;
        beside_table(&server, async |endpoint| compare(&server, endpoint, kept).await).await
    }
}

async fn compare(server: &Server, endpoint: &str, folder: &Path) -> Result<(), String> {
    let user = User::register(server, "bench@company.example").await?;
    let id = user.create_client("Analytical Engines").await?;
    let path = project().join("events/clients-get.json");
    let event = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let event = event.replace("{{ACCESS_TOKEN}}", &user.token).replace("{{CLIENT_ID}}", &id);
    let target = target()?.join("deploy");
    let bare = Function {
        binary: target.join("bare"),
        environment: BTreeMap::new(),
        event: event.clone(),
        status: 200,
    };
    let environment = server.environment("ClientsFunction", endpoint)?;
    let clients = Function { binary: target.join("clients"), environment, event, status: 200 };

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
