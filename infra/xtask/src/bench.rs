//! `cargo xtask bench`: what the targets of performance are measured by.

mod function;
mod growth;
mod http;
mod import;
mod init;
mod login;
mod runtime_api;

use clap::Subcommand;

/// What to measure.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Counts the instructions of a cold start, and of a first and a warm GET, under callgrind
    Init(init::Init),
    /// Counts the instructions of logins that fail, each for another reason, under callgrind
    Login(login::Login),
    /// Loads the local server with oha: throughput, latency, CPU per request
    Http(http::Load),
    /// Compares the cost of operations in small and large data sets
    Growth(growth::Growth),
    /// Imports a large file: rows a second, and what a row costs
    Import(import::Import),
}

impl Bench {
    /// Measures and prints.
    ///
    /// # Errors
    /// Something needed is missing, or an answer is not what it should be.
    pub(crate) fn run(&self) -> Result<(), String> {
        let runtime = crate::runtime()?;
        match self {
            Self::Init(init) => runtime.block_on(init.run()),
            Self::Login(login) => runtime.block_on(login.run()),
            Self::Http(load) => runtime.block_on(load.run()),
            Self::Growth(growth) => runtime.block_on(growth.run()),
            Self::Import(import) => runtime.block_on(import.run()),
        }
    }
}
