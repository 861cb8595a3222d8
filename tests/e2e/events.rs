//! The files of `events/`: each goes through its function, and some through the function's real binary
//! under AWS's runtime interface emulator.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

mod emulator;

use std::collections::{BTreeMap, BTreeSet};

use lambda_http::request::LambdaRequest;
use nexo_local::{CONSUMERS, FUNCTIONS};
use nexo_tests::{Nexo, project};
use serde_json::{Value, json};

/// Every event in the order of a tour, and the status of its answer.
const TOUR: &[(&str, u16)] = &[
    ("health-get", 200),
    ("openapi-get", 200),
    ("auth-register", 202),
    ("auth-register-confirm", 201),
    ("auth-password-reset", 202),
    ("auth-link", 200),
    ("auth-login-wrong-password", 401),
    ("auth-login", 200),
    ("auth-refresh", 200),
    ("auth-jwks", 200),
    ("clients-list-no-token", 401),
    ("clients-create", 201),
    ("clients-get", 200),
    ("clients-list", 200),
    ("clients-export", 200),
    ("clients-update", 200),
    ("clients-delete", 204),
    ("employees-departments-create", 201),
    ("employees-positions-create", 201),
    ("employees-list", 200),
    ("employees-org-chart", 200),
    ("imports-list", 200),
    ("uploads-create", 201),
    ("uploads-list", 200),
    ("users-list", 200),
    ("users-roles-create", 201),
    ("users-api-keys-create", 201),
    ("fallback-not-found", 404),
    ("fallback-method-not-allowed", 405),
];

/// Every event of the table's stream, with the subject of the mail to Ada that it has sent.
const OF_THE_STREAM: &[(&str, &str)] = &[("mail-new-sign-in", "New sign-in to your account")];

/// Every event of the bucket, and of who looks for malware in it.
const OF_THE_BUCKET: &[&str] = &["files-arrived", "files-scanned"];

/// The key that they name.
const KEY: &str = "a/01ARZ3NDEKTSV4RRFFQ69G5FAV/01M5ARZ3NDEKTSV4RRFFQ69G5F";

/// Every event of the stream that no mail follows from, and what the function says of it: there is no such file.
const OF_THE_STREAM_IN_SILENCE: &[&str] =
    &["importer-step", "sweep-account", "sweep-employee-gone", "sweep-purge"];

/// Every event of a schedule, with what the function then says.
const OF_A_SCHEDULE: &[(&str, &str)] = &[("sweep-daily", "swept")];

fn file(name: &str) -> String {
    let path = project().join("events").join(name).with_extension("json");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An event, with what the tour learnt in place of its placeholders.
fn event(name: &str, learnt: &BTreeMap<&'static str, String>) -> String {
    let text = learnt.iter().fold(file(name), |text, (placeholder, value)| text.replace(placeholder, value));
    assert!(!text.contains("{{"), "{name} comes too early in the tour: {text}");
    let parsed: LambdaRequest = serde_json::from_str(&text).expect("an event");
    assert!(matches!(parsed, LambdaRequest::ApiGatewayV2(_)), "{name} is no event of an HTTP API");
    text
}

/// The function whose route the event names.
fn function(nexo: &Nexo, event: &str) -> String {
    let event: Value = serde_json::from_str(event).unwrap();
    let key = event["routeKey"].as_str().unwrap().to_owned();
    assert_eq!(event["requestContext"]["routeKey"], key);
    let functions = &nexo.server().template().functions;
    let serves = |id: &&String| functions[*id].routes.iter().any(|route| route.key() == key);
    functions.keys().find(serves).unwrap_or_else(|| panic!("no function serves {key}")).clone()
}

/// Calls the function of an event and answers its status and body.
async fn invoke(nexo: &Nexo, event: &str) -> (u16, Value) {
    let reply = nexo.server().invoke(&function(nexo, event), event.as_bytes().to_vec()).await.unwrap();
    answer(&serde_json::from_slice(&reply).unwrap())
}

/// The status and the body of a function's reply.
fn answer(reply: &Value) -> (u16, Value) {
    let status = reply["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
    let body = reply["body"].as_str().unwrap_or_default();
    (status.expect("a status"), serde_json::from_str(body).unwrap_or_default())
}

/// Remembers what later events need of an answer.
fn learn(learnt: &mut BTreeMap<&'static str, String>, name: &str, body: &Value) {
    for (placeholder, member, from) in [
        ("{{ACCESS_TOKEN}}", "accessToken", "auth-login"),
        ("{{REFRESH_TOKEN}}", "refreshToken", "auth-login"),
        ("{{CLIENT_ID}}", "id", "clients-create"),
        ("{{FILE_ID}}", "id", "uploads-create"),
    ] {
        if name == from {
            learnt.insert(placeholder, body[member].as_str().expect(member).to_owned());
        }
    }
}

#[tokio::test]
async fn every_event_goes_through_its_function() {
    let nexo = Nexo::start().await;
    let (mut learnt, mut called) = (BTreeMap::new(), BTreeSet::new());
    for (name, status) in TOUR {
        let event = event(name, &learnt);
        called.insert(function(&nexo, &event));
        let (answered, body) = invoke(&nexo, &event).await;
        assert_eq!(answered, *status, "{name}: {body} {:?}", nexo.log().last());
        if *name == "auth-register" {
            learnt.insert("{{LINK_TOKEN}}", nexo.link("ada@acme.example", "register").await);
        }
        learn(&mut learnt, name, &body);
    }
    let functions: BTreeSet<_> = FUNCTIONS.iter().map(|(id, _)| (*id).to_owned()).collect();
    assert_eq!(called, functions, "functions with an event, and functions");
}

#[tokio::test]
async fn every_event_of_the_stream_goes_through_its_filter_and_its_function() {
    let nexo = Nexo::start().await;
    let mut called = BTreeSet::new();
    let functions = &nexo.server().template().functions;
    let taking = |name: &str| {
        let event: Value = serde_json::from_str(&file(name)).unwrap();
        let takes =
            |id: &&String| functions[*id].streams.iter().any(|stream| stream.takes(&event["Records"][0]));
        functions.keys().find(takes).unwrap_or_else(|| panic!("no function takes {name}"))
    };
    for name in OF_THE_STREAM_IN_SILENCE {
        let function = taking(name);
        let reply = nexo.server().invoke(function, file(name).into_bytes()).await.unwrap();
        let reply: Value = serde_json::from_slice(&reply).unwrap();
        assert_eq!(reply, json!({"batchItemFailures": []}), "{name}: {:?}", nexo.log().last());
        called.insert(function.clone());
    }
    for (name, subject) in OF_THE_STREAM {
        let (text, function) = (file(name), taking(name));
        let reply = nexo.server().invoke(function, text.into_bytes()).await.unwrap();
        let reply: Value = serde_json::from_slice(&reply).unwrap();
        assert_eq!(reply, json!({"batchItemFailures": []}), "{name}: {:?}", nexo.log().last());
        let mail = nexo.mails("ada@acme.example").await.pop().expect("a mail");
        assert_eq!(mail["subject"], *subject);
        called.insert(function.clone());
    }
    let of_the_stream = |id: &&str| !functions[*id].streams.is_empty();
    let consumers = CONSUMERS.iter().map(|(id, _)| *id).filter(of_the_stream);
    let consumers: BTreeSet<_> = consumers.map(str::to_owned).collect();
    assert_eq!(called, consumers, "functions with an event of the stream, and functions of the stream");
}

#[tokio::test]
async fn every_event_of_the_bucket_goes_through_its_function() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for name in OF_THE_BUCKET {
        // Of an object that nobody announced, and of one that was looked at before.
        let inspector = "FilesFunction";
        let reply = nexo.server().invoke(inspector, file(name).into_bytes()).await;
        assert_eq!(reply, Ok(b"null".to_vec()), "{name}: {:?}", nexo.log().last());
        assert!(nexo.log().last().unwrap().contains("object without a file"), "{:?}", nexo.log().last());
        let announced = company.post("/api/uploads", &crate::uploads::announcement("a.pdf")).await;
        company.upload(&announced.body, crate::uploads::PDF).await;
        let own = format!(
            "a/{}/{}",
            company.account(),
            nexo_tests::table::ulid(announced.body["id"].as_str().unwrap())
        );
        let reply = nexo.server().invoke(inspector, file(name).replace(KEY, &own).into_bytes()).await;
        assert_eq!(reply, Ok(b"null".to_vec()));
        assert!(nexo.log().last().unwrap().contains("file finished before"), "{:?}", nexo.log().last());
    }
}

#[tokio::test]
async fn every_event_of_a_schedule_goes_through_its_function() {
    let nexo = Nexo::start().await;
    let mut called = BTreeSet::new();
    for (name, said) in OF_A_SCHEDULE {
        let event: Value = serde_json::from_str(&file(name)).unwrap();
        assert_eq!(
            (&event["source"], &event["detail-type"]),
            (&json!("aws.events"), &json!("Scheduled Event"))
        );
        let function = format!("{}Function", name[..1].to_uppercase() + name[1..].split('-').next().unwrap());
        let reply = nexo.server().invoke(&function, file(name).into_bytes()).await;
        assert!(reply.is_ok(), "{name}: {reply:?} {:?}", nexo.log().last());
        assert!(nexo.log().last().unwrap().contains(said), "{:?}", nexo.log().last());
        called.insert(function);
    }
    let functions = nexo.server().template().functions.iter();
    let scheduled: BTreeSet<_> =
        functions.filter(|(_, it)| !it.schedules.is_empty()).map(|(id, _)| id.clone()).collect();
    assert_eq!(called, scheduled, "functions with an event of a schedule, and functions with a schedule");
}

#[test]
fn every_event_is_in_the_tour() {
    let files = std::fs::read_dir(project().join("events")).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let events: BTreeSet<_> =
        names.filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect();
    let tour = TOUR.iter().map(|(name, _)| (*name).to_owned());
    let of_the_stream = OF_THE_STREAM.iter().map(|(name, _)| (*name).to_owned());
    let of_the_bucket = OF_THE_BUCKET.iter().map(|name| (*name).to_owned());
    let others = OF_THE_STREAM_IN_SILENCE.iter().copied().chain(OF_A_SCHEDULE.iter().map(|(name, _)| *name));
    let others = others.map(str::to_owned);
    assert_eq!(events, tour.chain(of_the_stream).chain(of_the_bucket).chain(others).collect());
}
