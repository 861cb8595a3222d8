//! The project's own tools.
#![expect(clippy::disallowed_macros, reason = "a program that talks to a person")]

mod bench;
mod blocklist;
mod env;
mod event;
mod licences;
mod local;
mod openapi;
mod process;
mod seed;
mod template;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own tools.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Checks and tests everything
    Test,
    /// Checks template.yaml against the project's rules
    Template,
    /// Checks licences, banned crates and sources against deny.toml
    Licences,
    /// Makes the list of passwords that cannot be chosen from the packages it comes from
    Blocklist(blocklist::MakeBlocklist),
    /// Writes openapi.json from the declarations of the routes
    Openapi,
    /// Prints the environment in which a function's real binary uses the local table
    Env(env::Env),
    /// Prints an event with the tokens and ids of the running local server
    Event(event::Event),
    /// Generates a data set of any size
    Seed(seed::Seed),
    /// Measures what the targets of performance name
    #[command(subcommand)]
    Bench(bench::Bench),
}

/// What tasks that speak HTTP run on.
fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Test => test::everything(),
        Task::Template => template::check(),
        Task::Licences => licences::check(),
        Task::Blocklist(blocklist) => blocklist.write(),
        Task::Openapi => openapi::write(),
        Task::Env(env) => env.print(),
        Task::Event(event) => event.print(),
        Task::Seed(seed) => seed.run(),
        Task::Bench(bench) => bench.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
