//! Every answer of a tour through all routes is one that the description names.

use std::collections::BTreeSet;

use nexo_local::demo::link_token;
use nexo_tests::{Answer, Company, Nexo, PASSWORD, registration};
use reqwest::Method;
use serde_json::{Value, json};

use super::schema::check;
use crate::auth::mfa::App;
use crate::auth::passkeys::Authenticator;

/// Holds answers against the description, and remembers which operations were met.
struct Judge {
    description: Value,
    met: BTreeSet<String>,
}

impl Judge {
    /// The described path that `path` is an instance of.
    fn described(&self, path: &str) -> String {
        let path = path.split('?').next().unwrap();
        let paths = self.description["paths"].as_object().unwrap();
        let fits = |known: &str| {
            known.split('/').count() == path.split('/').count()
                && known
                    .split('/')
                    .zip(path.split('/'))
                    .all(|(known, given)| known.starts_with('{') || known == given)
        };
        paths.keys().find(|known| fits(known)).unwrap_or_else(|| panic!("{path} is not described")).clone()
    }

    #[track_caller]
    fn judge(&mut self, method: &Method, path: &str, answer: &Answer) {
        let described = self.described(path);
        let operation = &self.description["paths"][&described][method.as_str().to_lowercase()];
        let status = answer.status.as_str();
        let response = &operation["responses"][status];
        assert!(response.is_object(), "{method} {described} does not say {status}: {answer:?}");
        match response["content"].as_object() {
            None => assert!(answer.body.is_null(), "{method} {described} {status}: {answer:?}"),
            Some(content) => {
                let media = answer.header("content-type");
                // Whether there is a header says each page of an export itself.
                let media = media.split("; charset=utf-8; header=").next().unwrap();
                let content = &content[media];
                let wrong = check(&self.description, &content["schema"], &answer.body, "");
                assert!(wrong.is_empty(), "{method} {described} {status}: {wrong:#?}");
            }
        }
        let headers = response["headers"].as_object().into_iter().flatten();
        // Only where there is a next page: see `export.rs`.
        for (name, _) in headers.filter(|(name, _)| *name != "Link") {
            assert!(!answer.header(name).is_empty(), "{method} {described} {status}: no {name}");
        }
        self.met.insert(format!("{} {status}", operation["operationId"].as_str().unwrap()));
    }
}

async fn send(
    judge: &mut Judge,
    company: &Company<'_>,
    method: &Method,
    path: &str,
    body: Option<&Value>,
    if_match: &str,
) {
    let mut request = company.request(method.clone(), path);
    if !if_match.is_empty() {
        request = request.header("if-match", if_match);
    }
    if let Some(body) = body {
        request = request.json(body);
    }
    judge.judge(method, path, &Answer::of(request).await);
}

#[tokio::test]
async fn every_answer_is_one_that_the_description_names() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut judge =
        Judge { description: serde_json::from_str(&super::checked_in()).unwrap(), met: BTreeSet::new() };
    for path in [
        "/health",
        "/health/auth",
        "/health/crm",
        "/api/openapi.json",
        "/.well-known/jwks.json",
        "/api/auth/link",
    ] {
        judge.judge(&Method::GET, path, &nexo.get(path).await);
    }
    for email in ["tour@acme.example", "tour@acme.example"] {
        nexo.post("/api/auth/register", &registration(email)).await;
    }
    let mails = nexo.mails("tour@acme.example").await;
    let [tour, late] = [0, 1].map(|n| link_token(&mails[n..=n], "register").unwrap());
    for (path, body) in [
        ("/api/auth/register", registration("tour@acme.example")),
        ("/api/auth/register", json!({})),
        ("/api/auth/register/confirm", json!({"token": tour})),
        ("/api/auth/register/confirm", json!({"token": late})),
        ("/api/auth/register/confirm", json!({"token": tour})),
        ("/api/auth/register/confirm", json!({})),
        ("/api/auth/password-reset", json!({"email": "tour@acme.example"})),
        ("/api/auth/password-reset", json!({"email": "tour"})),
        ("/api/auth/password-reset/confirm", json!({"token": "x", "newPassword": PASSWORD})),
        ("/api/auth/password-reset/confirm", json!({"token": "x", "newPassword": "x"})),
        ("/api/auth/email/confirm", json!({"token": "x"})),
        ("/api/auth/email/confirm", json!({"x": "x"})),
        ("/api/auth/email/cancel", json!({"token": "x"})),
        ("/api/auth/email/cancel", json!({"x": "x"})),
        ("/api/auth/login", json!({"email": "tour@acme.example", "password": PASSWORD})),
        (
            "/api/auth/login",
            json!({"email": "tour@acme.example", "password": PASSWORD, "tokenDelivery": "cookie"}),
        ),
        ("/api/auth/login", json!({"email": "tour@acme.example", "password": "wrong"})),
        ("/api/auth/login", json!([])),
        ("/api/auth/refresh", json!({"refreshToken": company.refresh_token()})),
        ("/api/auth/refresh", json!({"refreshToken": "x"})),
        ("/api/auth/refresh", json!({"x": "x"})),
    ] {
        judge.judge(&Method::POST, path, &nexo.post(path, &body).await);
    }

    let full = json!({
        "name": "Tour", "taxId": "1", "tags": ["a"], "emails": [{"value": "a@b.example", "primary": true}],
        "phones": [{"value": "+4930901820"}], "website": "https://a.example", "sizeBand": "1-10",
        "annualRevenue": {"amountMinor": 1, "currency": "EUR"}, "billingAddress": {"country": "DE"},
    });
    let created = company.post("/api/clients", &full).await;
    judge.judge(&Method::POST, "/api/clients", &created);
    let client = format!("/api/clients/{}", created.body["id"].as_str().unwrap());
    company.client("Second").await;
    let bare = json!({"name": "Bare"});
    let foreign = "/api/clients/cli_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned();
    let restore = format!("{client}/restore");
    let announced = company.post("/api/uploads", &crate::uploads::announcement("tour.pdf")).await;
    judge.judge(&Method::POST, "/api/uploads", &announced);
    let file = format!("/api/uploads/{}", announced.body["id"].as_str().unwrap());
    let (download, restore_file) = (format!("{file}/download"), format!("{file}/restore"));
    let purge_file = format!("{file}/purge");
    let no_thumbnail = format!("{file}/thumbnail");
    judge.judge(&Method::GET, &no_thumbnail, &company.get(&no_thumbnail).await);
    let png = crate::uploads::thumbnails::png();
    let picture = crate::uploads::thumbnails::announcement("tour.png", "image/png", &png);
    let picture = company.post("/api/uploads", &picture).await;
    company.upload(&picture.body, &png).await;
    let thumbnail = format!("/api/uploads/{}/thumbnail", picture.body["id"].as_str().unwrap());
    let (parts, complete) = (format!("{file}/parts"), format!("{file}/complete"));
    let etags = json!({"etags": ["\"9b2cf535f27731c974343645a3985328\""]});
    judge.judge(&Method::GET, &download, &company.get(&download).await);
    // It is uploaded as a whole, and another one in parts.
    judge.judge(&Method::POST, &complete, &company.post(&complete, &etags).await);
    let mut in_parts = crate::uploads::announcement("parts.pdf");
    in_parts["size"] = json!(150 * 1024 * 1024);
    let in_parts = company.post("/api/uploads", &in_parts).await;
    judge.judge(&Method::POST, "/api/uploads", &in_parts);
    let other_parts = format!("/api/uploads/{}/parts", in_parts.body["id"].as_str().unwrap());
    company.upload(&announced.body, crate::uploads::PDF).await;
    company.outlast(&announced.body).await;
    let renamed = json!({"name": "renamed.pdf"});
    let in_parts = format!("/api/uploads/{}", in_parts.body["id"].as_str().unwrap());
    let (versions, latest) = (format!("{in_parts}/versions"), format!("{file}/latest"));
    let none_yet = format!("{in_parts}/latest");
    let mut new_version = crate::uploads::announcement("tour-2.pdf");
    new_version.as_object_mut().expect("an object").remove("category");
    let version = company.post(&versions, &new_version).await;
    judge.judge(&Method::POST, &versions, &version);
    let of_a_version = format!("/api/uploads/{}/versions", version.body["id"].as_str().unwrap());
    for (method, path, body, if_match) in [
        (Method::GET, "/api/uploads", None, ""),
        (Method::GET, "/api/uploads?x=1", None, ""),
        (Method::POST, "/api/uploads", Some(&json!({"x": 1})), ""),
        (Method::GET, &file, None, ""),
        (Method::GET, &download, None, ""),
        (Method::GET, &thumbnail, None, ""),
        (Method::GET, &no_thumbnail, None, ""),
        (Method::POST, &other_parts, None, ""),
        (Method::POST, &parts, None, ""),
        (Method::POST, &complete, Some(&etags), ""),
        (Method::POST, &complete, Some(&json!({"etags": []})), ""),
        (Method::POST, &of_a_version, Some(&new_version), ""),
        (Method::POST, &versions, Some(&json!({"x": 1})), ""),
        (Method::GET, &versions, None, ""),
        (Method::GET, &latest, None, ""),
        (Method::GET, &none_yet, None, ""),
        (Method::PATCH, &file, Some(&renamed), ""),
        (Method::PATCH, &file, Some(&renamed), "\"1\""),
        (Method::PATCH, &file, Some(&json!({"size": 1})), ""),
        (Method::DELETE, &file, None, "\"1\""),
        (Method::DELETE, &file, None, ""),
        (Method::DELETE, &file, None, ""),
        (Method::GET, &download, None, ""),
        (Method::POST, &restore_file, None, ""),
        (Method::POST, &restore_file, None, ""),
        (Method::POST, &purge_file, None, ""),
        (Method::DELETE, &file, None, ""),
        (Method::POST, &purge_file, None, ""),
        (Method::POST, &purge_file, None, ""),
    ] {
        send(&mut judge, &company, &method, path, body, if_match).await;
    }
    let csv = crate::imports::uploaded(&company, "a.csv", "text/csv", b"name\nImported\n\"\"\n").await;
    let new_import = json!({"fileId": csv, "resource": "clients"});
    let made = company.post("/api/imports", &new_import).await;
    judge.judge(&Method::POST, "/api/imports", &made);
    company.settled().await;
    let import = format!("/api/imports/{}", made.body["id"].as_str().unwrap());
    let [start, resume, undo, errors] =
        ["start", "resume", "undo", "errors.csv"].map(|action| format!("{import}/{action}"));
    for (method, path, body) in [
        (Method::POST, "/api/imports", Some(json!({"x": 1}))),
        (Method::GET, "/api/imports", None),
        (Method::GET, "/api/imports?x=1", None),
        (Method::GET, &import, None),
        (Method::GET, "/api/imports/imp_01ARZ3NDEKTSV4RRFFQ69G5FAV", None),
        (Method::POST, &resume, None),
        (Method::POST, &undo, None),
        (Method::POST, &start, Some(json!({"dryRun": true, "matchBy": "name"}))),
        (Method::POST, &start, Some(json!({"dryRun": false}))),
        (Method::POST, &start, Some(json!({"dryRun": false}))),
        (Method::GET, &errors, None),
        (Method::GET, &format!("{errors}?x=1"), None),
        (Method::POST, &undo, None),
        (Method::POST, &undo, None),
    ] {
        send(&mut judge, &company, &method, path, body.as_ref(), "").await;
        company.settled().await;
    }
    let blank = crate::imports::uploaded(&company, "b.csv", "text/csv", b"\n\n").await;
    let failed = company.post("/api/imports", &json!({"fileId": blank, "resource": "clients"})).await;
    company.settled().await;
    let resume = format!("/api/imports/{}/resume", failed.body["id"].as_str().unwrap());
    send(&mut judge, &company, &Method::POST, &resume, None, "").await;
    let heir = company.colleague("admin").await;
    let owner = format!("/api/users/{}", company.user());
    let body = json!({"email": "grace@acme.example", "roleIds": ["member"]});
    let invited = company.post("/api/users/invitations", &body).await;
    judge.judge(&Method::POST, "/api/users/invitations", &invited);
    let invitation = format!("/api/users/invitations/{}", invited.body["id"].as_str().unwrap());
    let resend = format!("{invitation}/resend");
    let colleague = format!("/api/users/{}", company.colleague("member").await.user());
    let made = company.post("/api/roles", &json!({"name": "Sales", "parentIds": ["member"]})).await;
    judge.judge(&Method::POST, "/api/roles", &made);
    let role_id = made.body["id"].as_str().unwrap().to_owned();
    let (role, effective) = (format!("/api/roles/{role_id}"), format!("/api/roles/{role_id}/effective"));
    let made = company.post("/api/teams", &json!({"name": "North"})).await;
    judge.judge(&Method::POST, "/api/teams", &made);
    let team_id = made.body["id"].as_str().unwrap().to_owned();
    let team = format!("/api/teams/{team_id}");
    let key_body = json!({"name": "Tour", "permissions": ["client:read"]});
    let made = company.post("/api/api-keys", &key_body).await;
    judge.judge(&Method::POST, "/api/api-keys", &made);
    let key = format!("/api/api-keys/{}", made.body["id"].as_str().unwrap());
    for (method, path, body, if_match) in [
        (Method::GET, "/api/api-keys", None, ""),
        (Method::POST, "/api/api-keys", Some(&json!({"name": "Tour", "permissions": ["user:manage"]})), ""),
        (Method::GET, &key, None, ""),
        (Method::DELETE, &key, None, ""),
        (Method::DELETE, &key, None, ""),
        (Method::POST, "/api/clients", Some(&full), ""),
        (Method::POST, "/api/clients", Some(&json!({"x": 1})), ""),
        (Method::POST, "/api/clients", Some(&json!(1)), ""),
        (Method::GET, "/api/clients", None, ""),
        (Method::GET, "/api/clients?limit=1", None, ""),
        (Method::GET, "/api/clients?x=1", None, ""),
        (Method::GET, "/api/clients/export.csv", None, ""),
        (Method::GET, "/api/clients/export.csv?x=1", None, ""),
        (Method::GET, &client, None, ""),
        (Method::GET, &foreign, None, ""),
        (Method::PATCH, &client, Some(&json!({"status": "active"})), ""),
        (Method::PATCH, &client, Some(&bare), "\"1\""),
        (Method::PATCH, &client, Some(&bare), "x"),
        (Method::PATCH, &client, Some(&json!({"parentId": created.body["id"]})), ""),
        (Method::PUT, &client, Some(&bare), ""),
        (Method::PUT, &client, Some(&bare), "\"1\""),
        (Method::PUT, &foreign, Some(&bare), ""),
        (Method::PUT, &client, Some(&full), ""),
        (Method::DELETE, &client, None, "\"1\""),
        (Method::DELETE, &client, None, "x"),
        (Method::POST, &restore, None, ""),
        (Method::DELETE, &client, None, ""),
        (Method::DELETE, &client, None, ""),
        (Method::POST, &restore, None, ""),
        (Method::GET, "/api/users", None, ""),
        (Method::GET, "/api/users?x=1", None, ""),
        (Method::GET, &owner, None, ""),
        (Method::GET, &format!("{owner}/activity"), None, ""),
        (Method::GET, &format!("{owner}/activity?type=x"), None, ""),
        (Method::GET, "/api/users/usr_01ARZ3NDEKTSV4RRFFQ69G5FAV/activity", None, ""),
        (Method::PATCH, &colleague, Some(&json!({"roleIds": ["viewer"], "teamId": team_id})), ""),
        (Method::PATCH, &colleague, Some(&json!({"roleIds": [role_id]})), "\"1\""),
        (Method::PATCH, &colleague, Some(&json!({"roleIds": []})), ""),
        (Method::PATCH, &owner, Some(&json!({"roleIds": ["viewer"]})), ""),
        (Method::DELETE, &colleague, None, "\"1\""),
        (Method::GET, "/api/users/invitations", None, ""),
        (Method::GET, &invitation, None, ""),
        (
            Method::POST,
            "/api/users/invitations",
            Some(&json!({"email": company.email, "roleIds": ["member"]})),
            "",
        ),
        (Method::POST, "/api/users/invitations", Some(&json!({"email": "x", "roleIds": []})), ""),
        (Method::POST, &resend, None, ""),
        (Method::DELETE, &invitation, None, "\"1\""),
        (Method::GET, "/api/roles", None, ""),
        (Method::POST, "/api/roles", Some(&json!({"name": "Owner"})), ""),
        (Method::GET, &role, None, ""),
        (Method::GET, "/api/roles/owner", None, ""),
        (Method::GET, "/api/roles/nobody", None, ""),
        (Method::GET, &effective, None, ""),
        (Method::PATCH, &role, Some(&json!({"permissions": ["client:read:own"]})), ""),
        (Method::PATCH, &role, Some(&json!({"name": "New"})), "\"1\""),
        (Method::DELETE, &role, None, "\"1\""),
        (Method::DELETE, "/api/roles/owner", None, ""),
        (Method::DELETE, &role, None, ""),
        (Method::GET, "/api/teams", None, ""),
        (Method::GET, &team, None, ""),
        (Method::PATCH, &team, Some(&json!({"name": "South"})), ""),
        (Method::DELETE, &team, None, ""),
        (Method::DELETE, &colleague, None, ""),
        (Method::DELETE, &team, None, ""),
        (Method::DELETE, &team, None, ""),
        (Method::GET, "/api/account", None, ""),
        (Method::PATCH, "/api/account", Some(&json!({"name": "Acme AG"})), ""),
        (Method::PATCH, "/api/account", Some(&json!({"name": "Acme SE"})), "\"1\""),
        (Method::POST, "/api/authz/check", Some(&json!({"permission": "client:write"})), ""),
        (Method::POST, "/api/authz/check", Some(&json!({"permission": "client:fly"})), ""),
        (Method::POST, "/api/account/leave", None, ""),
        (Method::POST, "/api/account/transfer-ownership", Some(&json!({"userId": heir.user()})), ""),
        (Method::POST, "/api/account/leave", None, ""),
    ] {
        send(&mut judge, &company, &method, path, body, if_match).await;
    }
    // Whoever invited has left.
    assert_eq!(heir.post(&resend, &json!({})).await.status, 200);
    let accept = json!({
        "token": nexo.link("grace@acme.example", "invitation").await, "password": PASSWORD,
        "firstName": "Grace", "lastName": "Hopper",
    });
    for _ in 0..2 {
        let path = "/api/auth/invitations/accept";
        judge.judge(&Method::POST, path, &nexo.post(path, &accept).await);
    }
    let company = heir;
    for path in [&invitation, &invitation] {
        send(&mut judge, &company, &Method::DELETE, path, None, "").await;
    }
    for (method, path, body, if_match) in [
        (Method::GET, "/api/auth/profile", None, ""),
        (Method::PATCH, "/api/auth/profile", Some(&json!({"locale": "de"})), ""),
        (Method::PATCH, "/api/auth/profile", Some(&json!({"locale": "en"})), "\"1\""),
        (Method::PATCH, "/api/auth/profile", Some(&json!({"locale": 1})), ""),
        (
            Method::POST,
            "/api/auth/email",
            Some(&json!({"newEmail": "moved@acme.example", "password": PASSWORD})),
            "",
        ),
        (Method::POST, "/api/auth/email", Some(&json!({"newEmail": "x", "password": "x"})), ""),
        (Method::GET, "/api/auth/sessions", None, ""),
        (Method::GET, "/api/auth/activity", None, ""),
        (Method::GET, "/api/auth/activity?limit=1&type=login", None, ""),
        (Method::GET, "/api/auth/activity?cursor=x", None, ""),
        (Method::DELETE, "/api/auth/sessions/x", None, ""),
        (
            Method::POST,
            "/api/auth/password",
            Some(&json!({"currentPassword": PASSWORD, "newPassword": "x"})),
            "",
        ),
        (
            Method::POST,
            "/api/auth/password",
            Some(&json!({"currentPassword": PASSWORD, "newPassword": "another long sentence"})),
            "",
        ),
        (Method::POST, "/api/auth/logout", None, ""),
        (Method::POST, "/api/auth/logout", None, ""),
    ] {
        send(&mut judge, &company, &method, path, body, if_match).await;
    }
    let mut company = company;
    let new_password = "another long sentence";
    let reset = nexo.link("tour@acme.example", "password-reset").await;
    let (new, keep) =
        (nexo.link("moved@acme.example", "new-email").await, nexo.link(&company.email, "keep-email").await);
    for (path, body) in [
        ("/api/auth/password-reset/confirm", json!({"token": reset, "newPassword": new_password})),
        ("/api/auth/email/confirm", json!({"token": new})),
        ("/api/auth/email/cancel", json!({"token": keep})),
    ] {
        judge.judge(&Method::POST, path, &nexo.post(path, &body).await);
    }
    let credentials = json!({"email": company.email, "password": new_password});
    mfa(&nexo, &mut judge).await;
    employees(&nexo, &mut judge).await;
    company.tokens = nexo.post("/api/auth/login", &credentials).await.body;
    let sessions = company.get("/api/auth/sessions").await.body;
    let session = format!("/api/auth/sessions/{}", sessions["data"][0]["id"].as_str().unwrap());
    judge.judge(&Method::DELETE, &session, &company.delete(&session).await);
    company.tokens = nexo.post("/api/auth/login", &credentials).await.body;
    let out = Answer::of(company.request(Method::POST, "/api/auth/logout-all")).await;
    judge.judge(&Method::POST, "/api/auth/logout-all", &out);

    // No operation was left out, nor its success.
    for operations in judge.description["paths"].as_object().unwrap().values() {
        for operation in operations.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            let statuses = operation["responses"].as_object().unwrap().keys();
            let success =
                statuses.filter(|status| status.starts_with('2')).map(|status| format!("{id} {status}"));
            for success in success {
                assert!(judge.met.contains(&success), "{success} was not met");
            }
        }
    }
}

/// Through the routes of employees, with a company of its own.
async fn employees(nexo: &Nexo, judge: &mut Judge) {
    let company = nexo.register().await;
    let mut records = Vec::new();
    for (collection, body) in [
        ("/api/departments", json!({"name": "IT", "code": "IT"})),
        ("/api/departments", json!({"name": "HR", "code": "HR"})),
        ("/api/positions", json!({"title": "Engineer", "headcount": 2})),
        ("/api/positions", json!({"title": "Lead"})),
    ] {
        let answer = company.post(collection, &body).await;
        judge.judge(&Method::POST, collection, &answer);
        records.push((collection, body, answer.body));
    }
    let [it, hr, engineer, lead] = [0, 1, 2, 3].map(|index: usize| records[index].2["id"].clone());
    let body = json!({
        "employeeNumber": "1", "firstName": "Ada", "lastName": "Lovelace", "workEmail": "ada@acme.example",
        "departmentId": it, "positionId": engineer, "hireDate": "2026-01-15", "birthDate": "1990-12-10",
        "emergencyContact": {"name": "Charles", "phone": "+4930901820"},
    });
    let made = company.post("/api/employees", &body).await;
    judge.judge(&Method::POST, "/api/employees", &made);
    let employee = format!("/api/employees/{}", made.body["id"].as_str().unwrap());
    for (action, body) in [
        ("promote", json!({"positionId": lead, "effectiveFrom": "2026-02-01"})),
        ("promote", json!({"positionId": lead})),
        ("transfer", json!({"departmentId": hr, "effectiveFrom": "2026-03-01", "note": "As wished"})),
        ("transfer", json!({"department": hr})),
        ("leave", json!({"effectiveFrom": "2026-04-01"})),
        ("leave", json!({})),
        ("return", json!({"effectiveFrom": "2026-05-01"})),
        ("terminate", json!({"endDate": "2026-05-31"})),
        ("rehire", json!({"hireDate": "2026-06-01", "managerId": null})),
    ] {
        let path = format!("{employee}/{action}");
        judge.judge(&Method::POST, &path, &company.post(&path, &body).await);
    }
    let manager = company.colleague("manager").await;
    for caller in [&company, &manager] {
        for path in [
            "/api/departments/tree",
            "/api/departments/tree?x=1",
            "/api/employees/org-chart",
            "/api/employees?status=active",
            "/api/employees/export.csv?status=active",
            &employee,
            &format!("{employee}/employment-records"),
            &format!("{employee}/reports"),
            &format!("{employee}/reports?depth=x"),
        ] {
            judge.judge(&Method::GET, path, &caller.get(path).await);
        }
    }
    records.truncate(3);
    records.push(("/api/employees", json!({"phone": "+4930901821"}), made.body));
    for (collection, body, record) in records.iter().rev() {
        let path = format!("{collection}/{}", record["id"].as_str().unwrap());
        for (method, path, body) in [
            (Method::GET, *collection, None),
            (Method::GET, &path, None),
            (Method::PUT, &path, Some(body)),
            (Method::PATCH, &path, Some(body)),
            (Method::DELETE, &path, None),
            (Method::DELETE, &path, None),
            (Method::POST, &format!("{path}/restore"), None),
            (Method::POST, &format!("{path}/restore"), None),
        ] {
            send(judge, &company, &method, path, body, "").await;
        }
    }
    let mut whole = body.clone();
    whole["hireDate"] = json!("2026-06-01");
    send(judge, &company, &Method::PUT, &employee, Some(&whole), "").await;
    send(judge, &company, &Method::DELETE, &format!("/api/departments/{}", hr.as_str().unwrap()), None, "")
        .await;
}

/// Through the routes of second factors, with a company of its own.
async fn mfa(nexo: &Nexo, judge: &mut Judge) {
    let company = nexo.register().await;
    let mut post = async |path: &str, body: Value| {
        let answer = company.post(path, &body).await;
        judge.judge(&Method::POST, path, &answer);
        answer.body
    };
    post("/api/auth/mfa/totp/confirm", json!({"code": "123456"})).await;
    post("/api/auth/mfa/totp", json!({"password": "wrong"})).await;
    let setup = post("/api/auth/mfa/totp", json!({"password": PASSWORD})).await;
    let app = App::new(setup["secret"].as_str().unwrap());
    post("/api/auth/mfa/totp/confirm", json!({"code": app.wrong_code(nexo)})).await;
    post("/api/auth/mfa/totp/confirm", json!({"code": app.code(nexo, 0)})).await;
    let code = app.code(nexo, 1);
    post("/api/auth/step-up", json!({"totp": app.wrong_code(nexo)})).await;
    post("/api/auth/step-up", json!({"totp": code})).await;
    post("/api/auth/mfa/recovery-codes", json!({})).await;
    let options = post("/api/auth/passkey/options", json!({})).await;
    let mut phone = Authenticator::new("phone");
    let body = json!({"name": "Phone", "credential": phone.create(&options)});
    let passkey = post("/api/auth/passkeys", body.clone()).await;
    post("/api/auth/passkeys", body).await;
    let options = post("/api/auth/login/passkey/options", json!({})).await;
    let proof = json!({"passkey": phone.get(&options)});
    post("/api/auth/login/passkey", proof.clone()).await;
    post("/api/auth/login/passkey", proof).await;
    post("/api/auth/login/passkey", json!({})).await;
    for path in ["/api/auth/mfa", "/api/auth/passkeys"] {
        judge.judge(&Method::GET, path, &company.get(path).await);
    }
    let path = format!("/api/auth/passkeys/{}", passkey["id"].as_str().unwrap());
    for body in [json!({"name": "Old phone"}), json!({"name": ""})] {
        judge.judge(&Method::PATCH, &path, &company.patch(&path, &body).await);
    }
    let login = nexo.post("/api/auth/login", &json!({"email": company.email, "password": PASSWORD})).await;
    login.assert_problem(401, "mfa_required");
    judge.judge(&Method::POST, "/api/auth/login", &login);
    for path in [path.as_str(), path.as_str(), "/api/auth/mfa/totp", "/api/auth/mfa/totp"] {
        judge.judge(&Method::DELETE, path, &company.delete(path).await);
    }
    nexo.clock.advance(601_000);
    judge.judge(&Method::DELETE, "/api/auth/mfa/totp", &company.delete("/api/auth/mfa/totp").await);
}
