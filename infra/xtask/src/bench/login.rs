//! `cargo xtask bench login`: how far apart the ways are in which a login fails.
//!
//! How long an answer takes must not tell which addresses have logins. Instructions, not time: they are the
//! same on every machine. All but a hundredth of them are Argon2's, which are the same for every password, so
//! the others are shown on their own as well.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use clap::Args;
use http::{Method, Request};
use nexo_identity::Clock;
use nexo_local::Server;
use serde_json::{Value, json};

use super::function::{Function, beside_table, build};
use crate::local::{self, PASSWORD, User};
use crate::process::project;

/// As long as the right one.
const WRONG: &str = "incorrect horse battery stap";

/// Attempts at an address that need not wait. What is counted is what those after the first take.
const FREE: u64 = 5;

/// Where to leave what was counted.
#[derive(Args)]
pub(crate) struct Login {
    /// Keep callgrind's files here, for `callgrind_annotate`
    #[arg(long)]
    keep: Option<PathBuf>,
}

impl Login {
    /// Builds `auth` as it is deployed, measures it, and prints.
    ///
    /// # Errors
    /// Something needed is missing, an answer is not what it should be, or two ways are too far apart.
    pub(crate) async fn run(&self) -> Result<(), String> {
        let binary = build("auth", &[("CARGO_PROFILE_DEPLOY_STRIP", "none")])?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let kept = self.keep.as_deref().unwrap_or(folder.path());
        fs::create_dir_all(kept).map_err(|error| format!("{}: {error}", kept.display()))?;
        let clock = Clock::system();
        let server = local::start(None, clock.clone()).await?;
        let measure = async |endpoint: &str| {
            let environment = server.environment("AuthFunction", endpoint)?;
            let mut function =
                Function { binary: binary.clone(), environment, event: String::new(), status: 0 };
            compare(&server, &clock, &mut function, kept).await
        };
        beside_table(&server, measure).await
    }
}

/// Why a login fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    WrongPassword,
    UnknownAddress,
    DisabledUser,
    WaitingWithWrongPassword,
    WaitingWithRightPassword,
    WaitingUnknownAddress,
}

use Failure::{
    DisabledUser, UnknownAddress, WaitingUnknownAddress, WaitingWithRightPassword, WaitingWithWrongPassword,
    WrongPassword,
};

/// How far apart what must look the same may be, in hundredths of the first.
const LONGEST: f64 = 1.0;

/// What must look the same, under its status.
const ALIKE: [(u16, [Failure; 3]); 2] = [
    (401, [WrongPassword, UnknownAddress, DisabledUser]),
    (429, [WaitingWithWrongPassword, WaitingWithRightPassword, WaitingUnknownAddress]),
];

async fn compare(
    server: &Server,
    clock: &Clock,
    function: &mut Function,
    folder: &Path,
) -> Result<(), String> {
    println!(
        "{:26} {:>13} {:>7} {:>15} {:>7}",
        "a login with", "instructions", "apart", "outside Argon2", "apart"
    );
    let mut too_far = Vec::new();
    for (status, failures) in ALIKE {
        function.status = status;
        let mut first = None;
        for failure in failures {
            let counts = measure(server, clock, function, failure, folder).await?;
            let of = *first.get_or_insert(counts);
            let (all, outside) = (apart(counts.all, of.all), apart(counts.outside, of.outside));
            let failure = format!("{failure:?}");
            if all.abs() > LONGEST {
                too_far.push(failure.clone());
            }
            let Counts { all: instructions, outside: others } = counts;
            println!("{failure:26} {instructions:>13} {all:>6.2}% {others:>15} {outside:>6.2}%");
        }
    }
    if too_far.is_empty() { Ok(()) } else { Err(format!("too far apart: {}", too_far.join(", "))) }
}

fn apart(one: u64, other: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a ratio to two places")]
    let ratio = one as f64 / other as f64;
    100.0 * (ratio - 1.0)
}

/// What a login that fails takes: all the difference between one and several of them.
async fn measure(
    server: &Server,
    clock: &Clock,
    function: &mut Function,
    failure: Failure,
    folder: &Path,
) -> Result<Counts, String> {
    let mut counts = [Counts::default(); 2];
    for (run, counts) in ["1", "2"].into_iter().zip(&mut counts) {
        let email = format!("{:02}{run}@company.example", failure as u8);
        prepare(server, clock, failure, &email).await?;
        let password = match failure {
            DisabledUser | WaitingWithRightPassword => PASSWORD,
            _ => WRONG,
        };
        // From a network of its own: what one network may try is counted too.
        function.event = event(&email, password, &format!("203.0.113.{:02}{run}", 10 + failure as u8))?;
        let answers = if run == "1" { 1 } else { FREE };
        let file = folder.join(format!("callgrind.{failure:?}.{answers}"));
        let answers = usize::try_from(answers).map_err(|error| error.to_string())?;
        *counts = Counts::read(&function.count(answers, &file).await?);
    }
    let [one, all] = counts;
    let each = |one: u64, all: u64| all.saturating_sub(one) / (FREE - 1);
    Ok(Counts { all: each(one.all, all.all), outside: each(one.outside, all.outside) })
}

/// Brings about that a login of `email` fails in this way.
async fn prepare(server: &Server, clock: &Clock, failure: Failure, email: &str) -> Result<(), String> {
    if !matches!(failure, UnknownAddress | WaitingUnknownAddress) {
        let user = User::register(server, email).await?;
        if failure == DisabledUser {
            disable(server, &user.token).await?;
        }
    }
    if matches!(failure, WaitingWithWrongPassword | WaitingWithRightPassword | WaitingUnknownAddress) {
        // For the function, which has the system's clock, the next attempt is due in an hour and a second.
        const HOUR: i64 = 3_600_000;
        clock.advance(HOUR);
        for _ in 0..FREE {
            let event = event(email, WRONG, "203.0.113.9")?;
            server.invoke("AuthFunction", event.into_bytes()).await?;
        }
        clock.advance(-HOUR);
    }
    Ok(())
}

/// The event of a login from an address.
fn event(email: &str, password: &str, ip: &str) -> Result<String, String> {
    let path = project().join("events/auth-login.json");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut event: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    event["body"] = json!({"email": email, "password": password}).to_string().into();
    event["headers"]["x-forwarded-for"] = ip.into();
    event["requestContext"]["http"]["sourceIp"] = ip.into();
    Ok(event.to_string())
}

/// Disables the user of a token, in the table: an account's only owner cannot be by the API.
async fn disable(server: &Server, token: &str) -> Result<(), String> {
    let payload = token.split('.').nth(1).and_then(|payload| URL_SAFE_NO_PAD.decode(payload).ok());
    let claims: Value = payload.and_then(|json| serde_json::from_slice(&json).ok()).ok_or("no JWT")?;
    let ulid = |claim: &str| claims[claim].as_str().and_then(|id| id.split('_').nth(1)).unwrap_or_default();
    let update = json!({
        "TableName": server.template().table.name,
        "Key": {"pk": {"S": format!("A#{}#SES#{}", ulid("acc"), ulid("sub"))}, "sk": {"S": "ACCESS"}},
        "UpdateExpression": "SET #status = :status",
        "ConditionExpression": "attribute_exists(pk)",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":status": {"S": "disabled"}},
    });
    let environment = server.environment("AuthFunction", "http://table.invalid")?;
    let request = Request::builder()
        .method(Method::POST)
        .header("x-amz-target", "DynamoDB_20120810.UpdateItem")
        .header("x-amz-security-token", environment["AWS_SESSION_TOKEN"].as_str())
        .body(Bytes::from(update.to_string()))
        .map_err(|error| error.to_string())?;
    let answer = server.door().handle(request).await.map_err(|error| format!("{error:?}"))?;
    if answer.status().is_success() { Ok(()) } else { Err(format!("not disabled: {:?}", answer.body())) }
}

/// Instructions.
#[derive(Clone, Copy, Default)]
struct Counts {
    all: u64,
    /// Those that are not Argon2's.
    outside: u64,
}

impl Counts {
    /// Adds up what the functions of a callgrind file take themselves.
    ///
    /// Source: <https://valgrind.org/docs/manual/cl-format.html>.
    fn read(text: &str) -> Self {
        let mut counts = Self::default();
        let mut argon2 = BTreeSet::new();
        let (mut is_argon2, mut calls_argon2) = (false, false);
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            // A function has its name at its first mention only, and then its number.
            if let Some(named) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
                let (number, name) = named.split_once(' ').unwrap_or((named, ""));
                if name.contains("argon2") || name.contains("blake2") {
                    argon2.insert(number);
                }
                calls_argon2 = argon2.contains(number);
                if line.starts_with("fn=") {
                    is_argon2 = calls_argon2;
                }
            } else if line.starts_with("calls=") {
                // What the called function takes is counted there; the memory that Argon2 has cleared and
                // copied is Argon2's.
                let taken = lines.next().map_or(0, cost);
                if is_argon2 && !calls_argon2 {
                    counts.outside = counts.outside.wrapping_sub(taken);
                }
            } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
                counts.all += cost(line);
                counts.outside = counts.outside.wrapping_add(if is_argon2 { 0 } else { cost(line) });
            }
        }
        counts
    }
}

/// The instructions of a line: they follow the place in the code.
fn cost(line: &str) -> u64 {
    line.split(' ').nth(1).and_then(|count| count.parse().ok()).unwrap_or_default()
}
