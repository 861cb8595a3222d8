//! `cargo xtask test`: everything that must hold before a change is taken.

use std::ffi::OsString;
use std::fs;
use std::process::Stdio;
use std::time::Instant;

use crate::process::{cargo, program, project, run, variable};
use crate::{licences, openapi, template};

const CLIPPY: &[&str] =
    &["clippy", "--quiet", "--locked", "--workspace", "--all-targets", "--", "-D", "warnings"];
const BUILD: &[&str] = &["build", "--quiet", "--locked", "--workspace", "--bins"];
const DOC: &[&str] = &["doc", "--quiet", "--locked", "--workspace", "--no-deps"];

/// Runs every check and then every test; stops at the first that fails.
///
/// # Errors
/// Names the step. What it found was printed before, or is in the text.
pub(crate) fn everything() -> Result<(), String> {
    step("cargo fmt", || run(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("cargo clippy", || run(&mut cargo(CLIPPY)))?;
    step("cargo doc", || run(cargo(DOC).env("RUSTDOCFLAGS", "-D warnings")))?;
    step("openapi.json is current", openapi::check)?;
    step("template.yaml keeps the rules", template::check)?;
    match sam() {
        Some(sam) => step("sam validate --lint", || validate(sam))?,
        None if variable("CI").is_some() => return Err("no sam: set NEXO_SAM or put it in PATH".to_owned()),
        None => println!("== sam validate --lint\n   skipped: no sam here (`make tools` installs it)"),
    }
    step("licences, banned crates and sources", licences::check)?;
    // Some tests start the programs themselves, and `cargo test` builds only their test harnesses.
    step("cargo build", || run(&mut cargo(BUILD)))?;
    // Nothing of ours follows: cargo's own closing lines are the last.
    println!("== cargo test");
    let mut tests = cargo(&["test", "--locked", "--workspace"]);
    if let Some(emulator) = variable("NEXO_RIE").or_else(emulator) {
        tests.env("NEXO_RIE", emulator);
    }
    run(&mut tests)
}

/// AWS's runtime emulator for this machine, in `target/tools`, where `make tools` put it.
fn emulator() -> Option<OsString> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let packages = project().join("target/tools/lib");
    let pythons = fs::read_dir(packages).ok()?.filter_map(Result::ok);
    let name = format!("site-packages/samcli/local/rapid/aws-lambda-rie-{architecture}");
    pythons.map(|python| python.path().join(&name)).find(|path| path.exists()).map(Into::into)
}

/// Runs one step and says in one line how it went.
fn step(name: &str, work: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    println!("== {name}");
    let begun = Instant::now();
    let done = work();
    let outcome = if done.is_ok() { "ok" } else { "FAILED" };
    println!("   {outcome} in {:.1} s", begun.elapsed().as_secs_f64());
    done.map_err(|error| format!("{name}: {error}"))
}

/// AWS's SAM: where `NEXO_SAM` says, in `target/tools`, or in the path.
fn sam() -> Option<OsString> {
    let installed = project().join("target/tools/bin/sam");
    let found = || program("sam", &["--version"]).stdout(Stdio::null()).status().is_ok();
    variable("NEXO_SAM")
        .or_else(|| installed.exists().then(|| installed.into_os_string()))
        .or_else(|| found().then(|| "sam".into()))
}

fn validate(sam: OsString) -> Result<(), String> {
    let arguments = ["validate", "--lint", "--template", "template.yaml", "--region", "eu-central-1"];
    // Its success is a sentence with the file's whole path; only a failure is worth reading.
    let mut validate = program(sam, &arguments);
    let done = validate
        .env("SAM_CLI_TELEMETRY", "0")
        .output()
        .map_err(|error| format!("sam cannot be started: {error}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)))
}
