//! `cargo xtask bench import`: how fast rows are imported, and what each costs.
//!
//! Units and round trips are counted by the guard in front of the table; the server and its table are in this
//! process, so that the time says how rows compare with each other, and not how long they take on AWS.

use std::time::Instant;

use clap::Args;
use http::Method;
use nexo_identity::Clock;
use nexo_local::Server;
use serde_json::{Value, json};

use crate::local::{self, User};

const EMAIL: &str = "import@company.example";

/// How much to import.
#[derive(Args)]
pub(crate) struct Import {
    /// Rows of the file
    #[arg(long, default_value_t = 100_000)]
    rows: u32,
}

impl Import {
    /// Imports clients: tried, created, changed by their names in another system, and back.
    ///
    /// # Errors
    /// A row is not done.
    pub(crate) async fn run(&self) -> Result<(), String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let server = local::start(Some(folder.path().to_owned()), Clock::system()).await?;
        User::register(&server, EMAIL).await?;
        println!("rows a second / round trips / read units / write units of a row, of {} rows", self.rows);
        let run = Run { server: &server, rows: self.rows };
        let created = run.proposed("Old").await?;
        run.phase("tried", &created, "start", &json!({"dryRun": true}), "created").await?;
        run.phase("created", &created, "start", &json!({"dryRun": false}), "created").await?;
        let changed = run.proposed("New").await?;
        let start = json!({"dryRun": false, "matchBy": "externalId"});
        run.phase("changed", &changed, "start", &start, "updated").await?;
        run.phase("change undone", &changed, "undo", &json!({}), "undone").await?;
        server.stop().await.map_err(|error| error.to_string())
    }
}

struct Run<'a> {
    server: &'a Server,
    rows: u32,
}

impl Run<'_> {
    /// An import of clients with names like this, ready to be started.
    async fn proposed(&self, name: &str) -> Result<String, String> {
        let rows = (1..=self.rows)
            .map(|row| format!("x{row},{name} {row:06},engineering,{row}@acme.example; primary\n"));
        let text: String =
            std::iter::once("externalId,name,industry,emails\n".to_owned()).chain(rows).collect();
        let user = User::log_in(self.server, EMAIL).await?;
        let file = user.upload(text.into_bytes()).await?;
        let new = json!({"fileId": file, "resource": "clients"});
        let import = user.call(Method::POST, "/api/imports", Some(&new)).await?;
        self.server.catch_up().await;
        Ok(format!("/api/imports/{}", import["id"].as_str().unwrap_or_default()))
    }

    /// Does something to an import, and prints what each of its rows took.
    async fn phase(
        &self,
        name: &str,
        path: &str,
        action: &str,
        body: &Value,
        counted: &str,
    ) -> Result<(), String> {
        // A phase may take longer than a token is good for.
        let user = User::log_in(self.server, EMAIL).await?;
        let (before, begun) = (self.server.door().log().totals(), Instant::now());
        user.call(Method::POST, &format!("{path}/{action}"), Some(body)).await?;
        self.server.catch_up().await;
        let (after, seconds) = (self.server.door().log().totals(), begun.elapsed().as_secs_f64());
        let import = User::log_in(self.server, EMAIL).await?.call(Method::GET, path, None).await?;
        if import[counted] != self.rows {
            return Err(format!("not all rows were {counted}: {import}"));
        }
        let rows = f64::from(self.rows);
        #[expect(clippy::cast_precision_loss, reason = "calls are few enough")]
        let trips = (after.allowed - before.allowed) as f64 / rows;
        println!(
            "{name:14} {:6.0} / {trips:.3} / {:.3} / {:.3}",
            rows / seconds,
            (after.capacity.read - before.capacity.read) / rows,
            (after.capacity.write - before.capacity.write) / rows,
        );
        Ok(())
    }
}
