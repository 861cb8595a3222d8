//! The client, against a server that answers as SES does at the wire.

use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::{Arc, Mutex};

use nexo_domain::Email;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{Event, Sender};

/// What comes of a request.
#[derive(Clone, Copy)]
enum Reply {
    Taken,
    /// The status, the error's type and its words.
    Error(u16, &'static str, &'static str),
    /// The connection ends without an answer.
    Closed,
    /// Nothing comes.
    Silent,
}

/// A request as it arrived: its first line, its headers, its body.
#[derive(Debug)]
struct Request {
    line: String,
    headers: String,
    body: Value,
}

impl Request {
    fn to(&self) -> &str {
        self.body["Destination"]["ToAddresses"][0].as_str().unwrap()
    }
}

/// Runs `work` beside a server that answers each request by its recipient, and tells what was asked of it.
async fn beside_ses<T>(reply: fn(&str) -> Reply, work: impl AsyncFnOnce(Ses) -> T) -> (T, Vec<Request>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let credentials = Credentials::new("AKID", "secret", Some("session".into()), None, "test");
    let ses = Ses::new("nexo@acme.example".into(), "eu-central-1".into(), credentials, Some(endpoint));
    let (mut requests, mut streams) = (Vec::new(), Vec::new());
    let done = {
        let mut work = pin!(work(ses));
        loop {
            let (mut stream, _) = tokio::select! {
                done = &mut work => break done,
                connection = listener.accept() => connection.unwrap(),
            };
            let answered = async {
                let request = read(&mut stream).await?;
                answer(&mut stream, reply(request.to())).await;
                Some((request, stream))
            };
            tokio::select! {
                done = &mut work => break done,
                answered = answered => if let Some((request, stream)) = answered {
                    requests.push(request);
                    // Kept, for those that wait for an answer.
                    streams.push(stream);
                },
            }
        }
    };
    (done, requests)
}

/// A request; `None` when the client leaves before it is there.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let end = loop {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let (line, headers) = head.split_once("\r\n").unwrap();
    let headers = headers.to_lowercase();
    let length = headers.lines().find_map(|header| header.strip_prefix("content-length: ")).unwrap();
    while bytes.len() < end + 4 + length.parse::<usize>().unwrap() {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    let body = serde_json::from_slice(&bytes[end + 4..]).unwrap();
    Some(Request { line: line.to_owned(), headers, body })
}

async fn answer(stream: &mut TcpStream, reply: Reply) {
    let (status, kind, body) = match reply {
        Reply::Taken => (200, String::new(), json!({"MessageId": "0100018f-1"})),
        Reply::Error(status, kind, words) => {
            (status, format!("x-amzn-ErrorType: {kind}\r\n"), json!({"message": words}))
        }
        Reply::Closed => return stream.shutdown().await.unwrap(),
        Reply::Silent => return,
    };
    let body = body.to_string();
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} As SES\r\ncontent-type: application/json\r\n{kind}content-length: {length}\r\n\
         connection: close\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}

fn mail(to: &str) -> Mail {
    let to = Email::parse(to).unwrap();
    Mail { to, subject: "Grüße".into(), text: "Text".into(), html: "<p>Text".into() }
}

/// What came of a mail that SES answers with `reply`, and how often it was asked.
async fn sent(reply: fn(&str) -> Reply) -> (Result<(), SendError>, usize) {
    let (sent, requests) = beside_ses(reply, async |ses| ses.send(&mail("ada@acme.example")).await).await;
    (sent, requests.len())
}

#[tokio::test]
async fn a_mail_is_handed_over_whole() {
    let (sent, requests) =
        beside_ses(|_| Reply::Taken, async |ses| ses.send(&mail("ada@acme.example")).await).await;
    assert_eq!(sent, Ok(()));
    let [request] = &requests[..] else { panic!("{requests:?}") };
    assert_eq!(request.line, "POST /v2/email/outbound-emails HTTP/1.1");
    let text = |data: &str| json!({"Data": data, "Charset": "UTF-8"});
    assert_eq!(
        request.body,
        json!({
            "FromEmailAddress": "nexo@acme.example",
            "Destination": {"ToAddresses": ["ada@acme.example"]},
            "Content": {"Simple": {
                "Subject": text("Grüße"), "Body": {"Text": text("Text"), "Html": text("<p>Text")},
            }},
        })
    );
    for header in ["content-type: application/json", "x-amz-security-token: session"] {
        assert!(request.headers.lines().any(|line| line == header), "{header}: {}", request.headers);
    }
    let signed = "authorization: aws4-hmac-sha256 credential=akid/";
    let signed = request.headers.lines().find(|line| line.starts_with(signed)).unwrap();
    assert!(signed.contains("/eu-central-1/ses/aws4_request"), "{signed}");
}

#[tokio::test]
async fn what_is_wrong_with_a_mail_is_final() {
    for reply in [
        (|_| Reply::Error(400, "MessageRejected", "Email address is not verified: ada@acme.example"))
            as fn(&str) -> Reply,
        |_| Reply::Error(400, "BadRequestException", "Local address contains control or whitespace"),
    ] {
        let (sent, asked) = sent(reply).await;
        let Err(SendError::Refused(why)) = sent else { panic!("{sent:?}") };
        assert!(!why.contains("ada@acme.example"), "{why}");
        assert_eq!(asked, 1, "{why}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_the_sender_may_pass() {
    for reply in [
        (|_| Reply::Error(400, "MailFromDomainNotVerifiedException", "not verified")) as fn(&str) -> Reply,
        |_| {
            let words = "Email address is not verified. The following identities failed the check in region \
                         EU-CENTRAL-1: NEXO@acme.example, ada@acme.example";
            Reply::Error(400, "MessageRejected", words)
        },
        |_| Reply::Error(400, "MessageRejected", "Email address is not verified: acme.example."),
        |_| Reply::Error(400, "MessageRejected", "Sending paused for this account."),
        |_| Reply::Error(400, "BadRequestException", "Illegal sender <nexo@acme.example>"),
        |_| Reply::Error(400, "SendingPausedException", "paused"),
        |_| Reply::Error(400, "AccountSuspendedException", "suspended"),
        |_| Reply::Error(403, "AccessDeniedException", "not authorized to perform ses:SendEmail"),
        |_| Reply::Error(400, "SomethingNewException", "?"),
    ] {
        let (sent, _) = sent(reply).await;
        assert!(matches!(sent, Err(SendError::NotNow(_))), "{sent:?}");
    }
}

/// Asked three times, and then later.
async fn assert_passes(reply: fn(&str) -> Reply) {
    let (sent, asked) = sent(reply).await;
    assert!(matches!(sent, Err(SendError::NotNow(_))), "{sent:?}");
    assert_eq!(asked, 3);
}

#[tokio::test]
async fn too_many_mails_in_a_second_pass() {
    assert_passes(|_| Reply::Error(429, "TooManyRequestsException", "Maximum sending rate exceeded.")).await;
}

#[tokio::test]
async fn a_quota_that_is_used_up_passes() {
    assert_passes(|_| Reply::Error(400, "LimitExceededException", "Daily message quota exceeded.")).await;
}

#[tokio::test]
async fn an_outage_passes() {
    assert_passes(|_| Reply::Error(503, "ServiceUnavailableException", "")).await;
}

#[tokio::test]
async fn a_lost_connection_passes() {
    assert_passes(|_| Reply::Closed).await;
}

// Time stands still but where all wait for it: the client's patience ends at once.
#[tokio::test(start_paused = true)]
async fn silence_passes() {
    let (sent, _) = sent(|_| Reply::Silent).await;
    assert!(matches!(sent, Err(SendError::NotNow(_))), "{sent:?}");
}

/// An event as Lambda sends it, with a mail to each of `to`; their numbers begin with 100.
fn event(to: &[&str]) -> Event {
    let record = |(number, to): (usize, &&str)| {
        json!({
            "eventID": format!("e{number}"), "eventName": "INSERT", "eventVersion": "1.1",
            "eventSource": "aws:dynamodb", "awsRegion": "eu-central-1",
            "dynamodb": {
                "ApproximateCreationDateTime": 1_795_383_000, "SizeBytes": 200,
                "SequenceNumber": format!("{}", 100 + number), "StreamViewType": "NEW_AND_OLD_IMAGES",
                "Keys": {"pk": {"S": format!("MAIL#{number}")}, "sk": {"S": "MAIL"}},
                "NewImage": {
                    "pk": {"S": format!("MAIL#{number}")}, "sk": {"S": "MAIL"}, "to": {"S": to},
                    "message": {"M": {"kind": {"S": "addressTaken"}}}, "recordKind": {"S": "mail"},
                },
            },
        })
    };
    let records: Vec<Value> = to.iter().enumerate().map(record).collect();
    serde_json::from_value(json!({"Records": records})).unwrap()
}

/// Sends the mails of an event. The answer, to whom there were requests, and the lines of the log.
async fn send(reply: fn(&str) -> Reply, to: &[&str]) -> (Value, Vec<String>, Vec<String>) {
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = log.clone();
    let (answer, requests) = beside_ses(reply, async |ses| {
        let log = Arc::new(move |line: &str| lines.lock().unwrap().push(line.to_owned()));
        let sender = Sender::new(&"x".repeat(32), "https://acme.example", Box::new(ses), log).unwrap();
        sender.send(event(to)).await
    })
    .await;
    let asked = requests.iter().map(|request| request.to().to_owned()).collect();
    let log = log.lock().unwrap().clone();
    (serde_json::to_value(answer).unwrap(), asked, log)
}

#[tokio::test]
async fn a_refused_mail_holds_up_none_behind_it() {
    let reply = |to: &str| match to {
        "bad@acme.example" => {
            Reply::Error(400, "MessageRejected", "Email address bad@acme.example is not verified.")
        }
        _ => Reply::Taken,
    };
    let (answer, asked, log) =
        send(reply, &["a@acme.example", "bad@acme.example", "no address", "b@acme.example"]).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    assert_eq!(asked, ["a@acme.example", "bad@acme.example", "b@acme.example"]);
    let levels: Vec<Value> =
        log.iter().map(|line| serde_json::from_str::<Value>(line).unwrap()["level"].clone()).collect();
    assert_eq!(levels, ["INFO", "ERROR", "ERROR", "INFO"], "{log:#?}");
    assert!(!log.iter().any(|line| line.contains("acme.example")), "{log:#?}");
}

#[tokio::test]
async fn a_mail_that_is_not_taken_now_waits_with_all_behind_it() {
    let reply = |to: &str| match to {
        "later@acme.example" => Reply::Error(400, "SendingPausedException", "paused"),
        _ => Reply::Taken,
    };
    let (answer, asked, log) = send(reply, &["a@acme.example", "later@acme.example", "b@acme.example"]).await;
    assert_eq!(answer, json!({"batchItemFailures": [{"itemIdentifier": "101"}]}));
    assert_eq!(asked, ["a@acme.example", "later@acme.example"]);
    assert!(log[1].contains("\"WARN\"") && log[1].contains("mail not sent yet"), "{log:#?}");
}
