//! `cargo dev`: the whole product on this machine.
#![expect(clippy::disallowed_macros, reason = "a program that talks to a person")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use nexo_identity::Clock;
use nexo_local::demo;
use nexo_local::external::External;
use nexo_local::server::{Options, Server, StartError, interrupted};
use nexo_local::template::IpRateLimit;

/// Half of what a list costs here is small allocations: in the engine, in the SDK, in the answer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves NEXO on this machine: the gateway, all functions and the table, in one process.
#[derive(Parser)]
#[command(name = "cargo dev", bin_name = "cargo dev", version)]
struct Arguments {
    /// The port on 127.0.0.1
    #[arg(long, default_value_t = 4000)]
    port: u16,
    /// The folder that keeps the data
    #[arg(long, default_value = ".nexo", conflicts_with = "memory")]
    data: PathBuf,
    /// Keep nothing
    #[arg(long)]
    memory: bool,
    /// Do not make the demo account
    #[arg(long)]
    no_demo: bool,
    /// Requests per address, such as 100/60 (in 60 seconds), or off; by default as the template says
    #[arg(long, value_parser = parse_rate_limit)]
    rate_limit: Option<RateLimit>,
    /// The SAM template
    #[arg(long, default_value = "template.yaml")]
    template: PathBuf,
    /// Also serve the guarded table on this port, for functions' real binaries
    #[arg(long, value_name = "PORT")]
    engine_port: Option<u16>,
    /// Print no log lines of requests
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy)]
struct RateLimit(Option<IpRateLimit>);

fn parse_rate_limit(text: &str) -> Result<RateLimit, String> {
    if text == "off" {
        return Ok(RateLimit(None));
    }
    let parts = text.split_once('/').and_then(|(n, s)| Some((n.parse().ok()?, s.parse().ok()?)));
    match parts {
        Some((requests, seconds)) if seconds > 0 => {
            Ok(RateLimit(Some(IpRateLimit { requests, window: Duration::from_secs(seconds) })))
        }
        _ => Err("must be N/SECONDS, such as 100/60, or off".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &format!("no threads: {error}")),
    };
    match runtime.block_on(run(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, line)) => fail(code, &line),
    }
}

fn fail(code: u8, line: &str) -> ExitCode {
    eprintln!("cargo dev: {line}");
    ExitCode::from(code)
}

/// A wrong template is the caller's to mend (2, like a wrong flag); the rest is the machine's (1).
fn exit_code(error: &StartError) -> u8 {
    match error {
        StartError::Template(_) => 2,
        StartError::Data(_) | StartError::Port { .. } | StartError::Function { .. } => 1,
    }
}

async fn run(arguments: Arguments) -> Result<(), (u8, String)> {
    let stop = interrupted().map_err(|error| (1, format!("no signals: {error}")))?;
    let quiet = arguments.quiet;
    let external = external();
    let is_external = external.is_some();
    let server = Server::start(Options {
        template: arguments.template,
        data: (!arguments.memory).then_some(arguments.data),
        port: arguments.port,
        rate_limit: arguments.rate_limit.map(|limit| limit.0),
        external,
        engine_port: arguments.engine_port,
        log: Arc::new(move |line| {
            if !quiet {
                eprintln!("{line}");
            }
        }),
        clock: Clock::system(),
    })
    .await
    .map_err(|error| (exit_code(&error), error.to_string()))?;
    if !arguments.no_demo && is_external {
        println!("No demo account: its mail would come from the embedded table, which is not in use.");
    } else if !arguments.no_demo {
        demo::ensure(&server).await.map_err(|error| (1, format!("demo account: {error}")))?;
        println!("Demo account: {} / {}", demo::EMAIL, demo::PASSWORD);
    }
    println!("Mails are shown at {}/dev/mail", server.url());
    println!("NEXO is ready at {}", server.url());
    stop.await;
    server.stop().await.map_err(|error| (1, error.to_string()))
}

/// The server that `NEXO_DYNAMODB_ENDPOINT` names, with the usual variables for credentials.
#[expect(clippy::disallowed_methods, reason = "read once, at start-up")]
fn external() -> Option<External> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    Some(External {
        endpoint: variable("NEXO_DYNAMODB_ENDPOINT")?,
        access_key_id: variable("AWS_ACCESS_KEY_ID").unwrap_or_else(|| "local".to_owned()),
        secret_access_key: variable("AWS_SECRET_ACCESS_KEY").unwrap_or_else(|| "local".to_owned()),
    })
}
