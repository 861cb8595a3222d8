//! The project's own tools.
#![expect(clippy::disallowed_macros, reason = "a program that talks to a person")]

mod openapi;

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
    /// Writes openapi.json from the declarations of the routes
    Openapi,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Openapi => openapi::write(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
