//! Imports of several steps: what a step leaves for the next one, and who may have it go on.

use nexo_local::{FailNth, Fault, Options};
use nexo_tests::{Company, Nexo, options, options_with_template};
use serde_json::{Value, json};

use crate::employees::{department, employee, position};

use super::{CSV, act, counts, errors, path, proposed, records, settled, started, undone, uploaded};

const DAY_MS: i64 = 24 * 3600 * 1000;

/// A server with a disk: the engine in memory takes the longer for a write the more there is.
async fn on_disk(folder: &tempfile::TempDir) -> Nexo {
    Nexo::with(Options { data: Some(folder.path().to_owned()), ..options() }).await
}

/// Clients with names in another system, from 1 to `most`.
fn clients(most: u32, name: &str) -> Vec<u8> {
    let rows = (1..=most).map(|row| format!("x{row},{name} {row:04}\n"));
    std::iter::once("externalId,name\n".to_owned()).chain(rows).collect::<String>().into_bytes()
}

#[tokio::test]
async fn two_imports_of_many_rows_take_turns_and_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let nexo = on_disk(&folder).await;
    let company = nexo.register().await;
    // The second changes what the first creates, and both know names from one step to the next.
    let first = proposed(&nexo, &company, "clients", &clients(1100, "Old")).await;
    let start = json!({"dryRun": false, "matchBy": "externalId"});
    let done = started(&nexo, &company, &first, &start).await;
    assert_eq!((counts(&done), &done["rowsDone"]), ([1100, 0, 0, 0], &json!(1100)), "{done}");
    let second = proposed(&nexo, &company, "clients", &clients(1050, "New")).await;
    let dry = proposed(&nexo, &company, "clients", &clients(1110, "New")).await;
    assert_eq!(act(&company, &second, "start", &start).await.status, 202);
    let trial = json!({"dryRun": true, "matchBy": "externalId"});
    assert_eq!(act(&company, &dry, "start", &trial).await.status, 202);
    let (second, dry) = (settled(&nexo, &company, &second).await, settled(&nexo, &company, &dry).await);
    assert_eq!(counts(&second), [0, 1050, 0, 0], "{second}");
    assert_eq!((counts(&dry)[0], counts(&dry)[3]), (10, 0), "{dry}");
    let back = undone(&nexo, &company, &second).await;
    assert_eq!((&back["undone"], &back["conflicts"]), (&json!(1050), &json!(0)), "{back}");
    let names = records(&company, "clients").await;
    assert_eq!(names.len(), 1100);
    assert!(names.iter().all(|one| one["name"].as_str().unwrap().starts_with("Old ")));
}

#[tokio::test]
async fn a_step_that_dies_between_its_rows_counts_them_once() {
    let folder = tempfile::tempdir().unwrap();
    let nexo = on_disk(&folder).await;
    let company = nexo.register().await;
    // Large enough that the entries of the step's rows are many pages, each with the record as it was.
    let large = "y".repeat(5_000);
    let rows: Vec<_> = (0..250).map(|row| format!("x{row},Old {row},\"{large}\"\n")).collect();
    let text = format!("externalId,name,description\n{}", rows.concat());
    let import = proposed(&nexo, &company, "clients", text.as_bytes()).await;
    let start = json!({"dryRun": false, "matchBy": "externalId"});
    let columns = import["columns"].as_array().unwrap();
    assert_eq!(columns[2]["field"], "description", "{import}");
    assert_eq!(counts(&started(&nexo, &company, &import, &start).await), [250, 0, 0, 0]);
    let text = text.replace("Old", "New");
    let import = proposed(&nexo, &company, "clients", text.as_bytes()).await;
    nexo.door().faults().arm([FailNth { n: 400, how: Fault::Death { executed: true } }]);
    let done = started(&nexo, &company, &import, &start).await;
    let calls = nexo.door().faults().calls();
    nexo.door().faults().disarm();
    assert!(calls > 400, "{calls}");
    assert_eq!(counts(&done), [0, 250, 0, 0], "{done}");
}

#[tokio::test]
async fn a_row_has_the_number_that_a_spreadsheet_gives_it() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let text = b"\n\nname,website\n\nA,no address\n,\n\n\nB,\n\"\",\nC,no address either\n\n\n";
    let import = proposed(&nexo, &company, "clients", text).await;
    assert_eq!(import["rows"], 3, "{import}");
    let done = started(&nexo, &company, &import, &json!({"dryRun": false})).await;
    assert_eq!((counts(&done), &done["rowsDone"]), ([1, 0, 0, 2], &json!(3)), "{done}");
    let rows: Vec<_> = errors(&company, &import).await.into_iter().map(|error| error[0].clone()).collect();
    assert_eq!(rows, ["5", "11"]);
}

#[tokio::test]
async fn names_in_another_system_are_found_as_they_are_kept() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    for name in ["-17", "M\u{fc}ller", "@x"] {
        let body = json!({"name": name, "externalId": name});
        assert_eq!(company.post("/api/clients", &body).await.status, 201);
    }
    // As an export writes one, as another computer writes one, and with white space; and twice in a file.
    let text = "externalId,name\n'-17,A\nMu\u{308}ller,B\n\" '@x \",C\nnew,D\n new,E\n";
    let import = proposed(&nexo, &company, "clients", text.as_bytes()).await;
    let start = json!({"dryRun": false, "matchBy": "externalId"});
    let done = started(&nexo, &company, &import, &start).await;
    assert_eq!(counts(&done), [1, 3, 0, 1], "{done} {:?}", errors(&company, &import).await);
    assert_eq!(errors(&company, &import).await, [["6", "", "", "duplicate_record"].map(str::to_owned)]);
}

#[tokio::test]
async fn a_header_may_come_late_and_what_is_between_cells_is_seen_there() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let text = b"\r\n\r\n;;\r\nname;website\r\nA;\r\n";
    let import = proposed(&nexo, &company, "clients", text).await;
    assert_eq!((&import["format"]["delimiter"], &import["rows"]), (&json!(";"), &json!(1)), "{import}");
    assert_eq!(counts(&started(&nexo, &company, &import, &json!({"dryRun": false})).await), [1, 0, 0, 0]);
    // More lines without anything than are read at once.
    for end in ["\n", "\r\n"] {
        let text = format!("name{end}B{end}{}C{end}", end.repeat(1_200_000));
        let import = proposed(&nexo, &company, "clients", text.as_bytes()).await;
        assert_eq!(import["rows"], 2, "{import}");
        let done = started(&nexo, &company, &import, &json!({"dryRun": true})).await;
        assert_eq!((counts(&done), &done["nextRow"]), ([2, 0, 0, 0], &json!(1_200_004)), "{done}");
    }
}

#[tokio::test]
async fn errors_of_many_rows_fit_where_they_are_kept() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let column = "\u{4e00}".repeat(100);
    let cell = vec!["x"; 60].join("\n");
    let text = format!("name,{column}\n{}", format!("A,\"{cell}\"\n").repeat(200));
    let import = proposed(&nexo, &company, "clients", text.as_bytes()).await;
    let columns = json!([{"column": "name", "field": "name"}, {"column": column, "field": "emails"}]);
    let done = started(&nexo, &company, &import, &json!({"dryRun": true, "columns": columns})).await;
    assert_eq!(counts(&done), [0, 0, 0, 200], "{done}");
    assert_eq!(errors(&company, &import).await.len(), 200 * 20);
}

#[tokio::test]
async fn an_account_has_five_imports_going_on_at_once() {
    let (nexo, _folder) = still().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let mut imports = Vec::new();
    for _ in 0..5 {
        imports.push(begun(&nexo, &company, b"name\nA\n").await);
    }
    let file = uploaded(&company, "records.csv", CSV, b"name\nB\n").await;
    let new = json!({"fileId": file, "resource": "clients"});
    company.post("/api/imports", &new).await.assert_problem(409, "quota_exceeded");
    assert_eq!(step(&nexo, &company, &imports[0], 0).await["status"], "done");
    act(&company, &imports[1], "resume", &Value::Null).await.assert_problem(409, "wrong_state");
    let import = company.post("/api/imports", &new).await;
    assert_eq!(import.status, 201, "{import:?}");
    act(&company, &imports[0], "undo", &Value::Null).await.assert_problem(409, "quota_exceeded");
    assert_eq!(company.get(&path(&imports[0])).await.body["status"], "done");
    begun(&nexo, &other, b"name\nA\n").await;
}

/// A server that makes no step by itself.
async fn still() -> (Nexo, tempfile::TempDir) {
    let (options, folder) = options_with_template(&[(
        r#""status":{"S":["reading","checking","running","undoing"]}"#,
        r#""status":{"S":["none of these"]}"#,
    )]);
    (Nexo::with(options).await, folder)
}

/// Makes a step of an import as it is, asked for so many seconds ago, and answers the import.
async fn step(nexo: &Nexo, company: &Company<'_>, import: &Value, seconds: i64) -> Value {
    let now = company.get(&path(import)).await.body;
    assert_eq!(event(nexo, company, &now, seconds).await, json!({"batchItemFailures": []}));
    company.get(&path(import)).await.body
}

/// Calls the importer with an import's version, written so many seconds ago.
async fn event(nexo: &Nexo, company: &Company<'_>, import: &Value, seconds: i64) -> Value {
    let ulid = import["id"].as_str().unwrap().trim_start_matches("imp_");
    let event = json!({"Records": [{"dynamodb": {
        "ApproximateCreationDateTime": nexo.clock.now_seconds() - seconds, "SequenceNumber": "1",
        "Keys": {"pk": {"S": format!("A#{}#IMP", company.account())}, "sk": {"S": ulid}},
        "NewImage": {"version": {"N": import["version"].to_string()}, "startedBy": {"S": company.user()}},
    }}]});
    let reply = nexo.server().invoke("ImporterFunction", event.to_string().into_bytes()).await.unwrap();
    serde_json::from_slice(&reply).unwrap()
}

/// An import that was started, and of which no row is done.
async fn begun(nexo: &Nexo, company: &Company<'_>, text: &[u8]) -> Value {
    let file = uploaded(company, "records.csv", CSV, text).await;
    let import = company.post("/api/imports", &json!({"fileId": file, "resource": "clients"})).await.body;
    assert_eq!(step(nexo, company, &import, 0).await["status"], "proposed");
    let begun = act(company, &import, "start", &json!({"dryRun": false})).await;
    assert_eq!((begun.status.as_u16(), &begun.body["status"]), (202, &json!("running")));
    begun.body
}

#[tokio::test]
async fn a_step_that_only_waited_is_made_and_one_that_fails_for_an_hour_is_given_up() {
    let (nexo, _folder) = still().await;
    let company = nexo.register().await;
    let waited = begun(&nexo, &company, b"name\nA\n").await;
    let done = step(&nexo, &company, &waited, 2 * 3600).await;
    assert_eq!((&done["status"], counts(&done)), (&json!("done"), [1, 0, 0, 0]), "{done}");

    let import = begun(&nexo, &company, b"name\nB\n").await;
    // Whatever is written meets another transaction, but what is written last of all.
    let again = json!({"batchItemFailures": [{"itemIdentifier": "1"}]});
    let conflicts = |most: u64| (1..=most).map(|n| FailNth { n, how: Fault::TransactionConflict });
    nexo.door().faults().arm(conflicts(1000));
    assert_eq!(event(&nexo, &company, &import, 3500).await, again);
    let calls = nexo.door().faults().calls();
    assert_eq!(company.get(&path(&import)).await.body, import);
    nexo.door().faults().arm(conflicts(calls));
    assert_eq!(event(&nexo, &company, &import, 3700).await, json!({"batchItemFailures": []}));
    nexo.door().faults().disarm();
    let failed = company.get(&path(&import)).await.body;
    assert_eq!(
        (&failed["status"], &failed["reason"], &failed["failedWhile"]),
        (&json!("failed"), &json!("unavailable"), &json!("running")),
    );
    // What ends the function each time is not tried for ever.
    let hopeless = begun(&nexo, &company, b"name\nC\n").await;
    let failed = step(&nexo, &company, &hopeless, 3 * 3600).await;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("unavailable")));
    assert_eq!(records(&company, "clients").await.len(), 1);
    assert_eq!(act(&company, &import, "resume", &Value::Null).await.status, 202);
    let done = step(&nexo, &company, &import, 0).await;
    assert_eq!((&done["status"], counts(&done)), (&json!("done"), [1, 0, 0, 0]), "{done}");
}

#[tokio::test]
async fn an_import_whose_step_is_lost_goes_on_when_somebody_says_so() {
    let (nexo, _folder) = still().await;
    let mut company = nexo.register().await;
    let import = begun(&nexo, &company, b"name\nA\n").await;
    act(&company, &import, "resume", &Value::Null).await.assert_problem(409, "wrong_state");
    nexo.clock.advance(6 * 3600 * 1000 + 1000);
    company.log_in().await;
    let resumed = act(&company, &import, "resume", &Value::Null).await;
    assert_eq!((resumed.status.as_u16(), &resumed.body["status"]), (202, &json!("running")));
    // A version that is not the last one says nothing any more.
    assert_eq!(event(&nexo, &company, &import, 0).await, json!({"batchItemFailures": []}));
    assert_eq!(company.get(&path(&import)).await.body, resumed.body);
    let done = step(&nexo, &company, &import, 0).await;
    assert_eq!((&done["status"], counts(&done)), (&json!("done"), [1, 0, 0, 0]), "{done}");
    // A step that came twice while it ran does its rows once.
    let import = begun(&nexo, &company, b"name\nB\nC\n").await;
    let both = futures::join!(event(&nexo, &company, &import, 0), event(&nexo, &company, &import, 0),);
    for answer in [both.0, both.1] {
        let failures = answer["batchItemFailures"].as_array().unwrap();
        assert!(failures.is_empty() || failures == &[json!({"itemIdentifier": "1"})], "{answer}");
    }
    let mut done = company.get(&path(&import)).await.body;
    if done["status"] == "running" {
        done = step(&nexo, &company, &import, 0).await;
    }
    assert_eq!((&done["status"], counts(&done)), (&json!("done"), [2, 0, 0, 0]), "{done}");
    assert_eq!(records(&company, "clients").await.len(), 3);
}

#[tokio::test]
async fn what_was_begun_more_than_30_days_ago_neither_goes_on_nor_back() {
    let (nexo, _folder) = still().await;
    let mut company = nexo.register().await;
    let (import, other) =
        (begun(&nexo, &company, b"name\nA\n").await, begun(&nexo, &company, b"name\nB\n").await);
    assert_eq!(step(&nexo, &company, &import, 0).await["status"], "done");
    nexo.clock.advance(30 * DAY_MS - 60_000);
    company.log_in().await;
    assert_eq!(act(&company, &other, "resume", &Value::Null).await.status, 202);
    nexo.clock.advance(7 * 3600 * 1000);
    company.log_in().await;
    for (import, action) in [(&import, "undo"), (&other, "resume")] {
        let refused = act(&company, import, action, &Value::Null).await;
        refused.assert_problem(409, "wrong_state");
        assert!(refused.body["detail"].as_str().unwrap().contains("30 days"), "{refused:?}");
    }
}

#[tokio::test]
async fn a_step_does_nothing_for_somebody_who_was_disabled() {
    let (nexo, _folder) = still().await;
    let company = nexo.register().await;
    let manager = company.colleague("manager").await;
    let import = begun(&nexo, &manager, b"name\nA\n").await;
    let user = format!("/api/users/{}", manager.user());
    assert_eq!(company.patch(&user, &json!({"status": "disabled"})).await.status, 200);
    let ulid = import["startedBy"].as_str().unwrap();
    assert_eq!(ulid, manager.user());
    assert_eq!(event(&nexo, &manager, &import, 0).await, json!({"batchItemFailures": []}));
    let failed = company.get(&path(&import)).await.body;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("permission_denied")));
    assert_eq!(records(&company, "clients").await, Vec::<Value>::new());
}

#[tokio::test]
async fn rows_reach_as_far_as_whoever_imports() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let seller = company
        .colleague_who_may(&[
            "import:run",
            "client:read:own",
            "client:write:own",
            "client:delete:own",
            "file:read",
            "file:write",
        ])
        .await;
    let theirs = json!({"name": "Theirs", "taxId": "DE1", "externalId": "x1"});
    let theirs = company.post("/api/clients", &theirs).await.body;
    let text = format!(
        "id,taxId,name,ownerId\n{},,Mine now,\n,DE1,Mine too,\n,,For another,{}\n,,Own,\n",
        theirs["id"].as_str().unwrap(),
        company.user()
    );
    for (key, wanted) in [
        ("id", vec![("2", "no_such_record"), ("3", "taken"), ("4", "beyond_reach")]),
        ("taxId", vec![("3", "no_such_record"), ("4", "beyond_reach")]),
    ] {
        let import = proposed(&nexo, &seller, "clients", text.as_bytes()).await;
        let done = started(&nexo, &seller, &import, &json!({"dryRun": false, "matchBy": key})).await;
        let refused = errors(&seller, &import).await;
        let refused: Vec<_> = refused.iter().map(|error| (error[0].as_str(), error[3].as_str())).collect();
        assert_eq!(refused, wanted, "{key}: {done}");
        assert_eq!(counts(&done)[0], 4 - u64::try_from(wanted.len()).unwrap(), "{done}");
        let back = undone(&nexo, &seller, &import).await;
        assert_eq!(back["conflicts"], 0, "{back}");
    }
    assert_eq!(company.get(&format!("/api/clients/{}", theirs["id"].as_str().unwrap())).await.body, theirs);
}

#[tokio::test]
async fn undoing_gives_back_no_private_field_that_one_may_not_give() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (it, dev) = (department(&company, "IT", &Value::Null).await, position(&company, "Dev", 2).await);
    employee(&company, "1", &it, &dev).await;
    let text = b"employeeNumber,firstName,birthDate\n1,Augusta,1990-12-10\n";
    let import = proposed(&nexo, &company, "employees", text).await;
    let start = json!({"dryRun": false, "matchBy": "employeeNumber"});
    assert_eq!(counts(&started(&nexo, &company, &import, &start).await), [0, 1, 0, 0]);
    let officer = company
        .colleague_who_may(&[
            "import:run",
            "employee:read",
            "employee:write",
            "employee:delete",
            "employee:read-private:own",
        ])
        .await;
    let back = undone(&nexo, &officer, &import).await;
    assert_eq!((&back["undone"], &back["conflicts"]), (&json!(0), &json!(1)), "{back}");
    assert_eq!(errors(&company, &import).await, [["2", "", "", "permission_denied"].map(str::to_owned)]);
    assert_eq!(records(&company, "employees").await[0]["firstName"], "Augusta");
}
