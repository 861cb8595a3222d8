//! The log: one line a request, enough to find out what happened, nothing that must stay secret.

use nexo_local::{FailNth, Fault, ServiceError};
use nexo_tests::{Answer, Company, Nexo, PASSWORD, registration};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

fn lines(nexo: &Nexo) -> Vec<Value> {
    nexo.log().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(line: &Value) -> Vec<&str> {
    line.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_request_leaves_one_line_with_who_what_and_how_much() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    // The first request of a function also reads the public keys.
    company.client("First").await;
    let client = company.client("Acme").await;
    let before = lines(&nexo).len();
    let path = format!("/api/clients/{}", client["id"].as_str().unwrap());
    let answer = Answer::of(company.request(Method::GET, &path).header("x-request-id", "find-me")).await;
    let lines = lines(&nexo);
    assert_eq!(lines.len(), before + 1);
    let line = lines.last().unwrap();
    let account = line["account"].as_str().unwrap();
    assert!(account.starts_with("acc_") && account.len() == 30, "{line}");
    assert!(line["latencyMs"].as_f64().unwrap() > 0.0);
    assert_eq!(
        *line,
        json!({
            "timestamp": line["timestamp"], "level": "INFO", "requestId": "find-me", "method": "GET",
            "route": "/api/clients/{id}", "status": 200, "latencyMs": line["latencyMs"], "account": account,
            "principal": company.user(), "storeCalls": 1, "readUnits": 0.5, "writeUnits": 0.0,
        })
    );
    assert_eq!(answer.status, 200);
    // The create before it: one write of the record and its places in two indexes.
    let create = &lines[before - 1];
    assert_eq!(
        (&create["method"], &create["route"], &create["status"]),
        (&json!("POST"), &json!("/api/clients"), &json!(201))
    );
    assert_eq!((&create["storeCalls"], &create["account"]), (&json!(1), &json!(account)));
    assert!(create["writeUnits"].as_f64().unwrap() >= 1.0, "{create}");
}

#[tokio::test]
async fn a_refusal_is_logged_with_its_code_and_cause() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    nexo.request(Method::GET, "/api/clients").bearer_auth("x.y.z").send().await.unwrap();
    let line = lines(&nexo).pop().unwrap();
    assert_eq!(
        (&line["level"], &line["status"], &line["code"]),
        (&json!("WARN"), &json!(401), &json!("unauthenticated"))
    );
    assert_eq!(line["cause"], "invalid access token: header encoding");
    assert!(!names(&line).contains(&"account"));

    company.post("/api/clients", &json!({"name": ""})).await;
    let line = lines(&nexo).pop().unwrap();
    assert_eq!((&line["status"], &line["code"]), (&json!(422), &json!("validation_failed")));
    assert_eq!((&line["principal"], line.get("cause")), (&json!(company.user()), None));

    nexo.get("/api/clients/x/y").await;
    let line = lines(&nexo).pop().unwrap();
    assert_eq!((&line["status"], &line["route"]), (&json!(404), &Value::Null));

    nexo.door().faults().arm((1..=20).map(|n| FailNth { n, how: Fault::Dropped }));
    company.get("/api/clients").await.assert_problem(503, "unavailable");
    let line = lines(&nexo).pop().unwrap();
    assert_eq!(
        (&line["level"], &line["status"], &line["code"]),
        (&json!("ERROR"), &json!(503), &json!("unavailable"))
    );
    assert!(line["cause"].as_str().unwrap().starts_with("Query failed"), "{line}");
}

/// Requests of every sort, right and wrong, with something to hide in each.
fn requests(nexo: &Nexo, company: &Company<'_>, client: &Value) -> Vec<RequestBuilder> {
    let mut requests = Vec::new();
    for (path, body) in [
        ("/api/auth/register", registration("new@acme.example")),
        ("/api/auth/password-reset", json!({"email": company.email})),
        (
            "/api/auth/password-reset/confirm",
            json!({"token": "nexo_lt1_Quixotic-Agent", "newPassword": PASSWORD}),
        ),
        ("/api/auth/register", json!({"email": "wrong@acme.example,", "password": PASSWORD})),
        ("/api/auth/login", json!({"email": company.email, "password": PASSWORD})),
        ("/api/auth/login", json!({"email": company.email, "password": PASSWORD, "tokenDelivery": "cookie"})),
        ("/api/auth/login", json!({"email": company.email, "password": "a wrong password of somebody"})),
        ("/api/auth/refresh", json!({"refreshToken": company.refresh_token()})),
        ("/api/auth/refresh", json!({"refreshToken": company.refresh_token().replace('a', "b")})),
    ] {
        requests.push(nexo.request(Method::POST, path).header("user-agent", "Quixotic-Agent").json(&body));
    }
    let broken = nexo.request(Method::POST, "/api/auth/login").header("content-type", "application/json");
    requests.push(broken.body(format!("{{\"password\": \"{PASSWORD}\"")));
    requests.push(nexo.request(Method::GET, "/api/clients").bearer_auth("eyJ.eyJ.eyJ"));
    let path = format!("/api/clients/{}", client["id"].as_str().unwrap());
    let given = json!({"name": "Quixotic Clients", "taxId": "FR-7261-99"});
    for (method, path, body) in [
        (Method::POST, "/api/clients", Some(given.clone())),
        (Method::POST, "/api/clients", Some(json!({"Quixotic Clients": 1, "status": "Quixotic Clients"}))),
        (Method::PATCH, &path, Some(json!({"name": "Quixotic Clients 2"}))),
        (Method::PUT, &path, Some(given)),
        (Method::GET, &path, None),
        (Method::GET, "/api/clients?q=quixotic%20query&cursor=Quixotic-Agent", None),
        (Method::GET, "/api/clients?q=quixotic%20query", None),
        (Method::GET, "/Quixotic-Agent/acme.example", None),
        (
            Method::POST,
            "/api/auth/password",
            Some(
                json!({"currentPassword": "another long sentence", "newPassword": "another long sentence 2"}),
            ),
        ),
        (Method::PATCH, "/api/auth/profile", Some(json!({"lastName": "Lovelace"}))),
        (Method::GET, "/api/auth/sessions", None),
        (Method::DELETE, &path, None),
    ] {
        let request = company.request(method, path);
        requests.push(match body {
            Some(body) => request.json(&body),
            None => request,
        });
    }
    requests
}

#[tokio::test]
async fn nothing_secret_and_nothing_personal_is_ever_logged() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut secrets: Vec<String> = [
        PASSWORD,
        "a wrong password of somebody",
        "another long sentence",
        "Acme GmbH",
        "Lovelace",
        "company.example",
        "acme.example",
        "Quixotic Clients",
        "FR-7261-99",
        "+4930901820",
        "127.0.0.1",
        "Quixotic-Agent",
        "quixotic query",
        "argon2id",
        "eyJ",
        "nexo_rt1_",
    ]
    .map(str::to_owned)
    .into();
    let client = json!({
        "name": "Quixotic Clients", "taxId": "FR-7261-99", "phones": [{"value": "+4930901820"}],
        "emails": [{"value": "quixotic@acme.example"}],
    });
    let created = company.post("/api/clients", &client).await.body;
    // Which record it was is in no line: routes are logged, not addresses.
    secrets.push(created["id"].as_str().unwrap().to_owned());
    let mut answers = Vec::new();
    for request in requests(&nexo, &company, &created) {
        answers.push(Answer::of(request).await);
    }
    for how in [
        Fault::Dropped,
        Fault::AfterExecution,
        Fault::BeforeExecution(ServiceError::InternalServerError),
        Fault::BeforeExecution(ServiceError::Throttling),
        Fault::TransactionConflict,
    ] {
        nexo.door().faults().arm((1..=1000).map(|n| FailNth { n, how }));
        // All at once: each waits between its tries.
        let asked = requests(&nexo, &company, &created).into_iter().map(Answer::of);
        answers.extend(futures::future::join_all(asked).await);
    }
    nexo.door().faults().disarm();
    let mut kept: Vec<&str> =
        answers.iter().filter_map(|answer| answer.header("set-cookie").split([';', '=']).nth(1)).collect();
    for body in answers.iter().map(|answer| &answer.body).chain([&company.tokens]) {
        kept.extend(["accessToken", "refreshToken"].iter().filter_map(|name| body[*name].as_str()));
    }
    // Nor a part of one.
    secrets.extend(
        kept.iter().flat_map(|token| token.split('.')).filter(|part| !part.is_empty()).map(str::to_owned),
    );
    let log = nexo.log();
    assert!(log.len() > 6 * 20, "{}", log.len());
    for line in &log {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut said = line.clone();
        // Random letters may spell anything.
        said["requestId"] = Value::Null;
        let said = said.to_string().to_lowercase();
        for secret in &secrets {
            assert!(!said.contains(&secret.to_lowercase()), "{secret} is in {line}");
        }
        for name in names(&line) {
            let known = [
                "timestamp",
                "level",
                "requestId",
                "method",
                "route",
                "status",
                "latencyMs",
                "account",
                "principal",
                "storeCalls",
                "readUnits",
                "writeUnits",
                "code",
                "cause",
            ];
            let of_mails = ["level", "message", "kind", "eventId", "cause"];
            let known = if line["eventId"].is_null() { &known[..] } else { &of_mails };
            assert!(known.contains(&name), "{name} in {line}");
        }
    }
}
