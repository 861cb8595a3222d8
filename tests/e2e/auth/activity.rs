//! `GET /api/auth/activity` and `GET /api/users/{id}/activity`: what happened to a user's access.

use std::time::Duration;

use nexo_domain::Timestamp;
use nexo_local::{FailNth, Fault, ServiceError};
use nexo_tests::{Answer, Company, Nexo, PASSWORD, registration, table};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::{DAY, MINUTE, SECOND, log_in, refresh, text, work};

/// No test goes on for so long by its clock, nor by ours.
const HOUR: Duration = Duration::from_hours(1);

const AGENT: &str = "activity test";

/// The request, told apart by its id, some time after the one before.
async fn done(nexo: &Nexo, request: RequestBuilder, id: &str) -> Answer {
    nexo.clock.advance(SECOND);
    Answer::of(request.header("user-agent", AGENT).header("x-request-id", id)).await
}

fn post(nexo: &Nexo, path: &str, body: &Value) -> RequestBuilder {
    nexo.request(Method::POST, path).json(body)
}

fn credentials(company: &Company<'_>, password: &str) -> Value {
    json!({"email": company.email, "password": password})
}

/// All of the user's events.
async fn activity(company: &Company<'_>) -> Vec<Value> {
    events_at(company, "/api/auth/activity").await
}

/// All events of a list, by pages of two.
async fn events_at(company: &Company<'_>, path: &str) -> Vec<Value> {
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = company.get(&format!("{path}?limit=2{cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let data = page.body["data"].as_array().unwrap();
        assert!(data.len() <= 2, "{page:?}");
        events.extend(data.iter().cloned());
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return events,
        }
    }
}

/// What a request of [`done`] left.
async fn event_of(company: &Company<'_>, request_id: &str) -> Value {
    let found: Vec<_> =
        activity(company).await.into_iter().filter(|event| event["requestId"] == request_id).collect();
    assert_eq!(found.len(), 1, "{request_id}: {found:?}");
    found[0].clone()
}

/// Asserts the whole of an event but for its id and time, which must be the clock's.
#[track_caller]
fn assert_event(
    nexo: &Nexo,
    event: &Value,
    [r#type, outcome, id]: [&str; 3],
    actor: Option<&str>,
    details: &Value,
) {
    let kind = if actor.is_some() { "user" } else { "anonymous" };
    let wanted = json!({
        "id": event["id"], "occurredAt": event["occurredAt"], "type": r#type, "outcome": outcome,
        "actor": {"type": kind, "id": actor}, "ip": "127.0.0.1", "userAgent": AGENT, "requestId": id,
        "details": details,
    });
    assert_eq!(*event, wanted);
    assert!(text(event, "id").starts_with("evt_"), "{event}");
    let occurred_at = Timestamp::parse(text(event, "occurredAt")).unwrap();
    let age = nexo.clock.now().saturating_since(occurred_at);
    assert!(occurred_at <= nexo.clock.now() && age < HOUR, "{event}");
}

/// The session of an access token.
fn session(tokens: &Value) -> String {
    table::claims(text(tokens, "accessToken"))["sid"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_user_sees_what_the_user_did() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    company.email = "events@company.example".into();
    let asked = nexo.post("/api/auth/register", &registration(&company.email)).await;
    assert_eq!(asked.status, 202, "{asked:?}");
    let token = json!({"token": nexo.link(&company.email, "register").await});
    company.tokens = done(&nexo, post(&nexo, "/api/auth/register/confirm", &token), "registers").await.body;
    let user = company.user().to_owned();
    let me = Some(user.as_str());
    let login = |password| post(&nexo, "/api/auth/login", &credentials(&company, password));
    let (phone, tablet) = (
        done(&nexo, login(PASSWORD), "logs-in").await.body,
        done(&nexo, login(PASSWORD), "again").await.body,
    );
    assert_eq!(done(&nexo, login("not the right password"), "guesses").await.status, 401);
    let path = format!("/api/auth/sessions/{}", session(&phone));
    let ended = done(&nexo, company.request(Method::DELETE, &path), "ends-another").await;
    assert_eq!(ended.status, 204, "{ended:?}");
    let out = nexo.request(Method::POST, "/api/auth/logout").bearer_auth(text(&tablet, "accessToken"));
    assert_eq!(done(&nexo, out, "logs-out").await.status, 204);
    let change = |current: &str| {
        let body = json!({"currentPassword": current, "newPassword": "another sentence to remember"});
        company.request(Method::POST, "/api/auth/password").json(&body)
    };
    assert_eq!(done(&nexo, change("not the right password"), "errs").await.status, 422);
    assert_eq!(done(&nexo, change(PASSWORD), "changes").await.status, 204);

    let events = activity(&company).await;
    let by_time: Vec<_> = events.iter().map(|event| text(event, "requestId")).collect();
    let newest_first =
        ["changes", "errs", "logs-out", "ends-another", "guesses", "again", "logs-in", "registers"];
    assert_eq!(by_time, newest_first);
    let [changes, errs, logs_out, ends, guesses, again, logs_in, registers] =
        <[Value; 8]>::try_from(events).unwrap();
    let of = |tokens: &Value| json!({"sessionId": session(tokens)});
    assert_event(&nexo, &registers, ["register", "success", "registers"], me, &of(&company.tokens));
    assert_event(&nexo, &logs_in, ["login", "success", "logs-in"], me, &of(&phone));
    assert_event(&nexo, &again, ["login", "success", "again"], me, &of(&tablet));
    assert_event(&nexo, &guesses, ["login", "failure", "guesses"], None, &json!({}));
    assert_event(&nexo, &ends, ["session_end", "success", "ends-another"], me, &of(&phone));
    assert_event(&nexo, &logs_out, ["logout", "success", "logs-out"], me, &of(&tablet));
    assert_event(&nexo, &errs, ["password_change", "failure", "errs"], me, &json!({}));
    assert_event(&nexo, &changes, ["password_change", "success", "changes"], me, &json!({}));

    let all = done(&nexo, company.request(Method::POST, "/api/auth/logout-all"), "all-out").await;
    assert_eq!(all.status, 204);
    let new = log_in(&nexo, &company.email, "another sentence to remember").await;
    company.tokens = new.body;
    let event = event_of(&company, "all-out").await;
    assert_event(&nexo, &event, ["logout_all", "success", "all-out"], me, &json!({}));
    // Nothing of it is a secret.
    let shown = json!(activity(&company).await).to_string();
    for secret in [PASSWORD, "not the right password", "another sentence", "nexo_rt1_", "eyJ", "argon2"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[tokio::test]
async fn a_stolen_refresh_token_that_is_used_again_is_told() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let phone = log_in(&nexo, &company.email, PASSWORD).await.body;
    let stolen = text(&phone, "refreshToken");
    assert_eq!(refresh(&nexo, stolen).await.status, 200);
    nexo.clock.advance(11 * SECOND);
    let again = post(&nexo, "/api/auth/refresh", &json!({"refreshToken": stolen}));
    assert_eq!(done(&nexo, again, "reuses").await.status, 401);
    let event = event_of(&company, "reuses").await;
    let details = json!({"sessionId": session(&phone)});
    assert_event(&nexo, &event, ["refresh_token_reuse", "failure", "reuses"], None, &details);
    // The session is gone: a third use says nothing new.
    refresh(&nexo, stolen).await.assert_problem(401, "unauthenticated");
    let all = activity(&company).await;
    assert_eq!(all.iter().filter(|event| event["type"] == "refresh_token_reuse").count(), 1, "{all:?}");
}

#[tokio::test]
async fn what_links_of_mails_do_is_told() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let user = company.user().to_owned();
    let (old, new) = (company.email.clone(), "moved@company.example");
    let ask = |password: &str| {
        let body = json!({"newEmail": new, "password": password});
        company.request(Method::POST, "/api/auth/email").json(&body)
    };
    assert_eq!(done(&nexo, ask("not the right password"), "errs").await.status, 422);
    assert_eq!(done(&nexo, ask(PASSWORD), "asks").await.status, 202);
    let confirm = |token: String| post(&nexo, "/api/auth/email/confirm", &json!({"token": token}));
    let (from_old, from_new) = (nexo.link(&old, "old-email").await, nexo.link(new, "new-email").await);
    assert_eq!(done(&nexo, confirm(from_old), "confirms").await.body, json!({"changed": false}));
    assert_eq!(done(&nexo, confirm(from_new), "moves").await.body, json!({"changed": true}));
    let event = event_of(&company, "errs").await;
    assert_event(&nexo, &event, ["email_change", "failure", "errs"], Some(&user), &json!({}));
    let event = event_of(&company, "moves").await;
    let details = json!({"email": {"old": old, "new": new}});
    assert_event(&nexo, &event, ["email_change", "success", "moves"], Some(&user), &details);

    company.email = new.into();
    assert_eq!(nexo.post("/api/auth/password-reset", &json!({"email": new})).await.status, 202);
    let link =
        json!({"token": nexo.link(new, "password-reset").await, "newPassword": "a new one to remember"});
    let reset = post(&nexo, "/api/auth/password-reset/confirm", &link);
    assert_eq!(done(&nexo, reset, "resets").await.status, 204);
    company.tokens = log_in(&nexo, new, "a new one to remember").await.body;
    let event = event_of(&company, "resets").await;
    assert_event(&nexo, &event, ["password_reset", "success", "resets"], None, &json!({}));

    let grace = "grace@company.example";
    let invite = json!({"email": grace, "roleIds": ["viewer"]});
    assert_eq!(company.post("/api/users/invitations", &invite).await.status, 201);
    let acceptance = json!({
        "token": nexo.link(grace, "invitation").await, "password": PASSWORD,
        "firstName": "Grace", "lastName": "Hopper",
    });
    let accept = post(&nexo, "/api/auth/invitations/accept", &acceptance);
    let grace = nexo.user(grace, done(&nexo, accept, "joins").await.body);
    let event = event_of(&grace, "joins").await;
    let details = json!({"sessionId": session(&grace.tokens)});
    assert_event(&nexo, &event, ["invitation_accept", "success", "joins"], Some(grace.user()), &details);
}

#[tokio::test]
async fn a_change_of_access_is_told_to_whom_it_is_about() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let colleague = company.colleague("viewer").await;
    let owner = company.user().to_owned();
    let by = Some(owner.as_str());
    let team = company.post("/api/teams", &json!({"name": "North"})).await.body["id"].clone();
    let path = format!("/api/users/{}", colleague.user());
    let patch = |body: Value| {
        let request =
            company.request(Method::PATCH, &path).header("content-type", "application/merge-patch+json");
        request.body(body.to_string())
    };
    let body = json!({"roleIds": ["member"], "teamId": team});
    assert_eq!(done(&nexo, patch(body.clone()), "promotes").await.status, 200);
    // Nothing changes: there is nothing to tell.
    assert_eq!(done(&nexo, patch(body), "promotes-again").await.status, 200);
    let event = event_of(&colleague, "promotes").await;
    let details = json!({
        "roleIds": {"old": ["viewer"], "new": ["member"]}, "teamId": {"old": null, "new": team},
    });
    assert_event(&nexo, &event, ["access_change", "success", "promotes"], by, &details);
    assert!(activity(&colleague).await.iter().all(|event| event["requestId"] != "promotes-again"));

    assert_eq!(done(&nexo, patch(json!({"status": "disabled"})), "disables").await.status, 200);
    let refused = post(&nexo, "/api/auth/login", &credentials(&colleague, PASSWORD));
    assert_eq!(done(&nexo, refused, "tries").await.status, 401);
    assert_eq!(done(&nexo, company.request(Method::DELETE, &path), "removes").await.status, 204);
    // Who was removed sees nothing any more. Who manages users does.
    let theirs = events_at(&company, &format!("{path}/activity")).await;
    let by_time: Vec<_> = theirs.iter().map(|event| text(event, "requestId")).collect();
    assert_eq!(by_time[..4], ["removes", "tries", "disables", "promotes"]);
    assert_event(&nexo, &theirs[0], ["removal", "success", "removes"], by, &json!({}));
    assert_event(&nexo, &theirs[1], ["login", "failure", "tries"], None, &json!({}));
    let details = json!({"status": {"old": "active", "new": "disabled"}});
    assert_event(&nexo, &theirs[2], ["access_change", "success", "disables"], by, &details);
    assert_eq!(theirs[3], event);
    // None of it is about the owner.
    let own = activity(&company).await;
    assert!(own.iter().all(|event| event["type"] == "register" || event["type"] == "login"), "{own:?}");
}

#[tokio::test]
async fn who_changes_a_role_sees_it() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let user = company.user().to_owned();
    let create = company.request(Method::POST, "/api/roles").json(&json!({"name": "Sales"}));
    let role = done(&nexo, create, "defines").await.body["id"].clone();
    let path = format!("/api/roles/{}", role.as_str().unwrap());
    let change = company.request(Method::PATCH, &path).json(&json!({"permissions": ["client:read:own"]}));
    assert_eq!(done(&nexo, change, "widens").await.status, 200);
    assert_eq!(done(&nexo, company.request(Method::DELETE, &path), "drops").await.status, 204);
    for (id, change) in [("defines", "created"), ("widens", "changed"), ("drops", "deleted")] {
        let event = event_of(&company, id).await;
        let details = json!({"roleId": role, "change": change});
        assert_event(&nexo, &event, ["role_change", "success", id], Some(&user), &details);
    }
}

#[tokio::test]
async fn denied_access_is_told_once_a_minute() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let viewer = company.colleague("viewer").await;
    let user = viewer.user().to_owned();
    // The first second of a minute, so that none begins while this goes on.
    nexo.clock.advance(MINUTE - nexo.clock.now_ms() % MINUTE);
    let create =
        |company: &Company<'_>| company.request(Method::POST, "/api/clients").json(&json!({"name": "No"}));
    let denials = async || {
        let all = viewer.get("/api/auth/activity?type=permission_denied").await;
        assert_eq!(all.status, 200, "{all:?}");
        all.body["data"].as_array().unwrap().clone()
    };
    done(&nexo, create(&viewer), "creates").await.assert_problem(403, "permission_denied");
    let details = json!({"permission": "client:write", "operation": "POST /api/clients"});
    let told = denials().await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_event(&nexo, &told[0], ["permission_denied", "failure", "creates"], Some(&user), &details);
    // The same again costs nothing, at whatever operation.
    let path = "/api/clients/cli_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for request in [create(&viewer), viewer.request(Method::PATCH, path)] {
        let (answer, calls) = nexo.calls_of(Answer::of(request)).await;
        answer.assert_problem(403, "permission_denied");
        assert_eq!(calls.len(), 0, "{calls:?}");
    }
    // Another permission, another user and another minute are told of.
    done(&nexo, viewer.request(Method::DELETE, path), "deletes")
        .await
        .assert_problem(403, "permission_denied");
    let details = json!({"permission": "client:delete", "operation": "DELETE /api/clients/{id}"});
    assert_event(
        &nexo,
        &denials().await[0],
        ["permission_denied", "failure", "deletes"],
        Some(&user),
        &details,
    );
    let other = company.colleague("viewer").await;
    done(&nexo, create(&other), "creates-too").await.assert_problem(403, "permission_denied");
    event_of(&other, "creates-too").await;
    assert_eq!(denials().await.len(), 2);
    nexo.clock.advance(MINUTE);
    done(&nexo, create(&viewer), "creates-later").await.assert_problem(403, "permission_denied");
    assert_eq!(denials().await.len(), 3);
    // In another function, and where a handler denies.
    let member = company.colleague("admin").await;
    let path = format!("/api/users/{}", company.user());
    let demote = member.request(Method::PATCH, &path).json(&json!({"roleIds": ["viewer"]}));
    done(&nexo, demote, "demotes").await.assert_problem(403, "permission_denied");
    let event = event_of(&member, "demotes").await;
    assert_eq!(event["details"]["operation"], "PATCH /api/users/{id}", "{event}");
}

#[tokio::test]
async fn what_cannot_be_kept_fails_nothing() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let viewer = company.colleague("viewer").await;
    assert_eq!(viewer.get("/api/clients").await.status, 200);
    let faults = nexo.door().faults();
    let from = |nth: u64| {
        let how = Fault::BeforeExecution(ServiceError::Throttling);
        faults.arm((nth..nth + 50).map(|n| FailNth { n, how }));
    };
    from(1);
    let denied = viewer.post("/api/clients", &json!({"name": "No"})).await;
    denied.assert_problem(403, "permission_denied");
    assert!(faults.calls() > 0);
    let warned = |log: Vec<String>| {
        let line: Value = serde_json::from_str(log.last().unwrap()).unwrap();
        text(&line, "warning").starts_with("security event not kept: ")
    };
    assert!(warned(nexo.log()), "{:?}", nexo.log().last());
    // The last call of a failed login, and of a logout. The first of all also reads the keys.
    faults.disarm();
    log_in(&nexo, &company.email, "not the right password").await;
    let (_, calls) = nexo.calls_of(log_in(&nexo, &company.email, "not the right password")).await;
    from(calls.len() as u64);
    log_in(&nexo, &company.email, "not the right password").await.assert_problem(401, "invalid_credentials");
    assert!(warned(nexo.log()), "{:?}", nexo.log().last());
    faults.disarm();
    assert_eq!(company.get("/api/auth/profile").await.status, 200);
    // The look at the session, its end, and the event.
    from(3);
    assert_eq!(company.post("/api/auth/logout", &json!({})).await.status, 204);
    assert!(warned(nexo.log()), "{:?}", nexo.log().last());
    faults.disarm();
    company.get("/api/auth/profile").await.assert_problem(401, "unauthenticated");
}

#[tokio::test]
async fn nobody_sees_another_users_events() {
    let nexo = Nexo::start().await;
    let (company, stranger) = (nexo.register().await, nexo.register().await);
    let colleague = company.colleague("manager").await;
    let guess = post(&nexo, "/api/auth/login", &credentials(&company, "not the right password"));
    done(&nexo, guess, "guesses").await;
    event_of(&company, "guesses").await;
    for other in [&colleague, &stranger] {
        assert!(activity(other).await.iter().all(|event| event["requestId"] != "guesses"));
    }
    let path = format!("/api/users/{}/activity", company.user());
    assert_eq!(events_at(&company, &path).await, activity(&company).await);
    // A user to whom nothing of a kind has happened is not unknown.
    let none = company.get(&format!("{path}?type=role_change")).await;
    assert_eq!((none.status.as_u16(), &none.body), (200, &json!({"data": [], "nextCursor": null})));
    colleague.get(&path).await.assert_problem(403, "permission_denied");
    stranger.get(&path).await.assert_problem(404, "not_found");
    stranger.get(&format!("{path}?type=login")).await.assert_problem(404, "not_found");
    // A cursor is a place in one's own list, whoever it came from.
    let last = activity(&company).await.pop().unwrap();
    let page = stranger.get(&format!("/api/auth/activity?cursor={}", text(&last, "id"))).await;
    assert_eq!(page.body, json!({"data": [], "nextCursor": null}));
    let page = stranger.get(&format!("/api/auth/activity?cursor=evt_7{}", "Z".repeat(25))).await;
    assert_eq!(page.body["data"], json!(activity(&stranger).await));
}

#[tokio::test]
async fn pages_and_a_type_lose_nothing() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for number in 0..12 {
        nexo.clock.advance(20 * MINUTE);
        let password = if number % 3 == 0 { "not the right password" } else { PASSWORD };
        log_in(&nexo, &company.email, password).await;
    }
    let mut company = company;
    company.log_in().await;
    let all = company.get("/api/auth/activity").await.body;
    assert_eq!((all["data"].as_array().unwrap().len(), &all["nextCursor"]), (14, &Value::Null));
    assert_eq!(json!(activity(&company).await), all["data"]);
    let sorted = all["data"].as_array().unwrap().is_sorted_by(|a, b| text(a, "id") > text(b, "id"));
    assert!(sorted, "newest first: {all}");
    // One register among thirteen logins, found across pages that show none.
    for (wanted, count) in [("login", 13), ("register", 1), ("logout", 0)] {
        let path = format!("/api/auth/activity?type={wanted}&limit=1");
        let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = company.get(&format!("{path}{cursor}")).await.body;
            found.extend(page["data"].as_array().unwrap().clone());
            pages += 1;
            let Some(next) = page["nextCursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        let of_type = all["data"].as_array().unwrap().iter().filter(|event| event["type"] == wanted);
        assert_eq!(found, of_type.cloned().collect::<Vec<_>>(), "{wanted}");
        assert_eq!((found.len(), pages), (count, count.max(1)), "{wanted}");
    }
    for (query, code) in [
        ("limit=0", "invalid_parameter"),
        ("limit=101", "invalid_parameter"),
        ("limit=2&limit=2", "invalid_parameter"),
        ("type=", "invalid_parameter"),
        ("type=coffee", "invalid_parameter"),
        ("sort=type", "invalid_parameter"),
        ("userId=x", "invalid_parameter"),
        ("cursor=", "invalid_cursor"),
        ("cursor=x", "invalid_cursor"),
        ("cursor=cli_01ARZ3NDEKTSV4RRFFQ69G5FAV", "invalid_cursor"),
    ] {
        for path in ["/api/auth/activity".to_owned(), format!("/api/users/{}/activity", company.user())] {
            company.get(&format!("{path}?{query}")).await.assert_problem(400, code);
        }
    }
}

#[tokio::test]
async fn events_are_kept_for_180_days() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let first = activity(&company).await.pop().unwrap();
    nexo.clock.advance(180 * DAY - MINUTE);
    company.log_in().await;
    assert_eq!(activity(&company).await.len(), 2);
    nexo.clock.advance(2 * MINUTE);
    // The item may still be there: what counts is the time.
    let left = activity(&company).await;
    assert_eq!(left.iter().map(|event| text(event, "type")).collect::<Vec<_>>(), ["login"]);
    let page = company.get(&format!("/api/auth/activity?cursor={}", text(&first, "id"))).await;
    assert_eq!((page.status.as_u16(), page.body), (200, json!({"data": [], "nextCursor": null})));
}

#[tokio::test]
async fn a_failed_login_writes_as_much_for_an_unknown_address() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    // Addresses of one length: only who has them differs.
    let unknown = format!("{}x", &company.email[..company.email.len() - 1]);
    log_in(&nexo, &company.email, "not the right password").await;
    log_in(&nexo, &unknown, "not the right password").await;
    let (_, known) = nexo.calls_of(log_in(&nexo, &company.email, "not the right password")).await;
    let (_, decoy) = nexo.calls_of(log_in(&nexo, &unknown, "not the right password")).await;
    let writes = |calls: &[std::sync::Arc<nexo_local::StoreCall>]| {
        calls.last().map(|call| (call.operation.clone(), call.partitions_written.clone())).unwrap()
    };
    let (written, instead) = (writes(&known), writes(&decoy));
    assert_eq!((written.0.as_str(), instead.0.as_str()), ("PutItem", "PutItem"));
    let (account, user) = (company.account(), table::ulid(company.user()));
    assert_eq!(written.1, [format!("A#{account}#EVT#{user}")]);
    let [instead] = <[String; 1]>::try_from(instead.1).unwrap();
    assert!(instead.starts_with("TRY#A#"), "{instead}");
    assert_eq!(instead.len(), written.1[0].len());
    // Writes alike; what is read of an unknown address is nothing, which costs as much as 4 KB.
    assert_eq!(work(&known), work(&decoy));
    // Nobody can list it.
    let all = activity(&company).await;
    assert_eq!(all.iter().filter(|event| event["outcome"] == "failure").count(), 2, "{all:?}");
}

#[tokio::test]
async fn second_factors_and_keys_are_noted_and_wrong_proofs() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let wrong = company.request(Method::POST, "/api/auth/step-up").json(&json!({"password": "wrong"}));
    assert_eq!(done(&nexo, wrong, "wrong-proof").await.status, 422);
    let who = Some(company.user());
    assert_event(
        &nexo,
        &event_of(&company, "wrong-proof").await,
        ["step_up", "failure", "wrong-proof"],
        who,
        &json!({}),
    );
    let right = company.request(Method::POST, "/api/auth/step-up").json(&json!({"password": PASSWORD}));
    assert_eq!(done(&nexo, right, "proof").await.status, 204);
    assert_eq!(event_of(&company, "proof").await["outcome"], "success");

    let body = json!({"name": "Program", "permissions": ["client:read"]});
    let made = done(&nexo, company.request(Method::POST, "/api/api-keys").json(&body), "key-made").await;
    assert_eq!(made.status, 201, "{made:?}");
    let id = made.body["id"].as_str().unwrap();
    let details = |change: &str| json!({"apiKeyId": id, "change": change});
    assert_event(
        &nexo,
        &event_of(&company, "key-made").await,
        ["api_key_change", "success", "key-made"],
        who,
        &details("created"),
    );
    let revoke = company.request(Method::DELETE, &format!("/api/api-keys/{id}"));
    assert_eq!(done(&nexo, revoke, "key-revoked").await.status, 204);
    assert_event(
        &nexo,
        &event_of(&company, "key-revoked").await,
        ["api_key_change", "success", "key-revoked"],
        who,
        &details("revoked"),
    );
    let key = made.body["key"].as_str().unwrap();
    assert!(!activity(&company).await.iter().any(|event| event.to_string().contains(key)));
}
