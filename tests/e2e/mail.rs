//! Mails: from the table's outbox, over its stream, to the mailbox.

use nexo_domain::MailId;
use nexo_local::server::Options;
use nexo_tests::{Answer, Nexo, options};
use reqwest::Method;
use serde_json::{Value, json};

/// A mail of the outbox, as `auth` may put it there.
fn item(number: u64, to: &str, message: &Value) -> Value {
    let id = MailId::from_parts(number, [7; 10]);
    json!({
        "pk": {"S": format!("MAIL#{}", id.ulid())}, "sk": {"S": "MAIL"}, "recordKind": {"S": "mail"},
        "recordSchema": {"N": "1"}, "to": {"S": to}, "message": {"M": message},
    })
}

fn taken() -> Value {
    json!({"kind": {"S": "addressTaken"}})
}

async fn put(nexo: &Nexo, item: &Value) {
    let body = json!({"TableName": nexo.table_name(), "Item": item});
    let (status, answer) =
        nexo.table_call(Some(&nexo.function_token("AuthFunction")), "PutItem", &body).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn what_is_in_the_outbox_arrives_once_and_in_order() {
    let nexo = Nexo::start().await;
    for number in 1..=25 {
        put(&nexo, &item(number, &format!("user{number}@acme.example"), &taken())).await;
    }
    let arrived: Vec<_> = nexo.mails("").await.iter().map(|mail| mail["to"].clone()).collect();
    let sent: Vec<_> = (1..=25).map(|number| json!(format!("user{number}@acme.example"))).collect();
    assert_eq!(arrived, sent);
    let [mail] = &nexo.mails("user7@acme.example").await[..] else { panic!("one mail") };
    assert_eq!(mail["subject"], "You have an account already");
    assert_eq!(mail["links"], json!([]));
    assert!(mail["html"].as_str().unwrap().starts_with("<!doctype html>"), "{mail}");
    // A change of the item, or its end, is no mail.
    let changed = item(7, "user7@acme.example", &json!({"kind": {"S": "nothing"}}));
    put(&nexo, &changed).await;
    let key = json!({"pk": changed["pk"], "sk": changed["sk"]});
    let delete = json!({"TableName": nexo.table_name(), "Key": key});
    let auth = nexo.function_token("AuthFunction");
    assert_eq!(nexo.table_call(Some(&auth), "DeleteItem", &delete).await.0, 200);
    assert_eq!(nexo.mails("").await.len(), 25);
}

#[tokio::test]
async fn a_mail_that_can_never_be_sent_is_noted_and_holds_up_no_other() {
    let nexo = Nexo::start().await;
    put(&nexo, &item(1, "first@acme.example", &taken())).await;
    for (number, message) in
        [(2, json!({"kind": {"S": "pigeon"}})), (3, json!({})), (4, json!({"kind": {"N": "1"}}))]
    {
        put(&nexo, &item(number, "poison@acme.example", &message)).await;
    }
    put(&nexo, &item(5, "no address", &taken())).await;
    put(&nexo, &item(6, "nobody@acme.example", &json!({"kind": {"S": "nothing"}}))).await;
    put(&nexo, &item(7, "last@acme.example", &taken())).await;
    let arrived: Vec<_> = nexo.mails("").await.iter().map(|mail| mail["to"].clone()).collect();
    assert_eq!(arrived, ["first@acme.example", "last@acme.example"]);
    let log = nexo.log();
    let lines = |text: &str| log.iter().filter(|line| line.contains(text)).count();
    // Once each: what is no mail will be none later.
    assert_eq!(lines("\"mail not sent\""), 4, "{log:#?}");
    assert_eq!(lines("gave up on records of the stream"), 0, "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("acme.example")), "{log:#?}");
}

#[tokio::test]
async fn a_restart_neither_loses_nor_repeats_mails() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Nexo::with(Options { data: Some(folder.path().into()), ..options() });
    let nexo = start().await;
    put(&nexo, &item(1, "before@acme.example", &taken())).await;
    assert_eq!(nexo.mails("before@acme.example").await.len(), 1);
    // Nobody waits for this one: it may or may not have gone out when the server stops.
    put(&nexo, &item(2, "between@acme.example", &taken())).await;
    let log = nexo.log_lines();
    nexo.stop().await;
    let nexo = start().await;
    put(&nexo, &item(3, "after@acme.example", &taken())).await;
    let arrived = nexo.mails("").await;
    assert_eq!(arrived.last().unwrap()["to"], "after@acme.example");
    assert!(arrived.iter().all(|mail| mail["to"] != "before@acme.example"), "{arrived:?}");
    let sent = |log: &[String]| log.iter().filter(|line| line.contains("addressTaken")).count();
    let before = sent(&log.lock().unwrap());
    assert!((3..=4).contains(&(before + sent(&nexo.log()))), "{:?}", nexo.log());
}

#[tokio::test]
async fn the_mailbox_is_readable_and_safe_to_read() {
    let nexo = Nexo::start().await;
    assert!(page(&nexo).await.contains("No mails yet"));
    let message = json!({
        "kind": {"S": "newSignIn"}, "at": {"S": "2026-11-22T21:30:00.000Z"}, "ip": {"S": "192.0.2.1"},
        "agent": {"S": "</pre><script>alert(1)</script>"},
    });
    put(&nexo, &item(1, "ada@acme.example", &message)).await;
    let page = page(&nexo).await;
    assert!(page.contains("<h2>New sign-in to your account</h2>"), "{page}");
    assert!(page.contains("<iframe sandbox=\"allow-popups allow-popups-to-escape-sandbox\""), "{page}");
    assert!(!page.contains("<script"), "{page}");
    // A page elsewhere whose name was made to lead here must not read links.
    for path in ["/dev/mail", "/dev/mail.json"] {
        let answer = Answer::of(nexo.request(Method::GET, path).header("host", "evil.example")).await;
        assert_eq!(answer.status, 403, "{answer:?}");
    }
}

async fn page(nexo: &Nexo) -> String {
    let answer = nexo.get("/dev/mail").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "text/html; charset=utf-8"));
    assert!(answer.header("content-security-policy").starts_with("default-src 'none'"), "{answer:?}");
    answer.body.as_str().unwrap().to_owned()
}
