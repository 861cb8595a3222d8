//! Imports whose steps fail, die, come twice, or lose the right to go on.

use nexo_local::{FailNth, Fault};
use nexo_tests::{Answer, Company, Nexo};
use serde_json::{Value, json};

use super::{act, counts, errors, path, plain, proposed, records, settled, started, undone};

/// Creates, changes, leaves alone and refuses.
const ROWS: &str = "externalId,name,taxId,parentId\n\
    a,Renamed,,\nb,Same,,\nc,New,DE1,\nd,Taken,DE1,\ne,Child,,cli_01ARZ3NDEKTSV4RRFFQ69G5FAV\n,Plain,,\n";

/// Two clients that rows of [`ROWS`] find.
async fn known(company: &Company<'_>) {
    for (external, name) in [("a", "Old"), ("b", "Same")] {
        let body = json!({"externalId": external, "name": name});
        assert_eq!(company.post("/api/clients", &body).await.status, 201);
    }
}

fn is_to_be_made_again(answer: &Answer) -> bool {
    answer.status.is_server_error() || answer.body["code"] == "conflict"
}

/// The clients, whatever was written in between.
async fn clients(company: &Company<'_>) -> Vec<Value> {
    let mut clients = plain(records(company, "clients").await);
    for client in &mut clients {
        client["version"] = Value::Null;
    }
    clients
}

#[tokio::test]
async fn an_import_that_is_killed_at_any_call_comes_to_the_same() {
    let nexo = Nexo::start().await;
    let start = json!({"dryRun": false, "matchBy": "externalId"});
    let clean = nexo.register().await;
    known(&clean).await;
    let run = proposed(&nexo, &clean, "clients", ROWS.as_bytes()).await;
    let done = started(&nexo, &clean, &run, &start).await;
    assert_eq!(counts(&done), [2, 1, 1, 2], "{done} {:?}", errors(&clean, &run).await);
    let (wanted, refused) = (clients(&clean).await, errors(&clean, &run).await);
    let undo = undone(&nexo, &clean, &run).await;
    let restored = clients(&clean).await;
    assert_eq!((&undo["undone"], &undo["conflicts"]), (&json!(3), &json!(0)));
    for how in [
        Fault::AfterExecution,
        Fault::Death { executed: false },
        Fault::Death { executed: true },
        Fault::TransactionConflict,
    ] {
        let company = nexo.register().await;
        known(&company).await;
        let mut n = 1;
        loop {
            let run = proposed(&nexo, &company, "clients", ROWS.as_bytes()).await;
            nexo.door().faults().arm([FailNth { n, how }]);
            while is_to_be_made_again(&act(&company, &run, "start", &start).await) {}
            let done = settled(&nexo, &company, &run).await;
            let mut calls = nexo.door().faults().calls();
            nexo.door().faults().disarm();
            let what = format!("{how:?} at {n}");
            assert_eq!((&done["status"], counts(&done)), (&json!("done"), [2, 1, 1, 2]), "{what}: {done}");
            assert_eq!(clients(&company).await, wanted, "{what}");
            assert_eq!(errors(&company, &run).await, refused, "{what}");
            nexo.door().faults().arm([FailNth { n, how }]);
            while is_to_be_made_again(&act(&company, &run, "undo", &Value::Null).await) {}
            let done = settled(&nexo, &company, &run).await;
            calls = calls.max(nexo.door().faults().calls());
            nexo.door().faults().disarm();
            assert_eq!((&done["status"], &done["undone"]), (&json!("undone"), &json!(3)), "{what}: {done}");
            assert_eq!(clients(&company).await, restored, "{what}");
            if calls < n {
                break;
            }
            n += 1;
        }
        assert!(n > 15, "{how:?}: {n}");
    }
}

#[tokio::test]
async fn a_right_that_is_lost_stops_the_import_and_one_that_is_back_lets_it_go_on() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let manager = company.colleague("manager").await;
    let import = proposed(&nexo, &manager, "clients", b"name\nA\nB\n").await;
    manager.set_role("viewer").await;
    // The request's function has looked at the session less than a minute ago; each step looks.
    assert_eq!(act(&manager, &import, "start", &json!({"dryRun": false})).await.status, 202);
    let stopped = settled(&nexo, &company, &import).await;
    assert_eq!(
        (&stopped["status"], &stopped["reason"], &stopped["failedWhile"]),
        (&json!("failed"), &json!("permission_denied"), &json!("running")),
    );
    assert_eq!(records(&company, "clients").await, Vec::<Value>::new());
    nexo.clock.advance(61_000);
    act(&manager, &import, "resume", &Value::Null).await.assert_problem(403, "permission_denied");
    assert_eq!(act(&company, &import, "resume", &Value::Null).await.status, 202);
    let done = settled(&nexo, &company, &import).await;
    assert_eq!(counts(&done), [2, 0, 0, 0], "{done}");
    let clients = records(&company, "clients").await;
    assert_eq!(clients[0]["createdBy"], company.user());
}

#[tokio::test]
async fn a_step_that_comes_again_or_late_does_nothing() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let import = proposed(&nexo, &company, "clients", b"name\nA\nB\n").await;
    let done = started(&nexo, &company, &import, &json!({"dryRun": false})).await;
    let ulid = import["id"].as_str().unwrap().trim_start_matches("imp_");
    for version in 1..=done["version"].as_u64().unwrap() {
        let event = json!({"Records": [{"dynamodb": {
            "ApproximateCreationDateTime": 1_000_000_000, "SequenceNumber": "1",
            "Keys": {"pk": {"S": format!("A#{}#IMP", company.account())}, "sk": {"S": ulid}},
            "NewImage": {"version": {"N": version.to_string()}, "startedBy": {"S": company.user()}},
        }}]});
        let reply = nexo.server().invoke("ImporterFunction", event.to_string().into_bytes()).await.unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&reply).unwrap(), json!({"batchItemFailures": []}));
    }
    assert_eq!(company.get(&path(&import)).await.body, done);
    assert_eq!(records(&company, "clients").await.len(), 2);
}
