use std::path::Path;
use std::time::{Duration, Instant};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Region};
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value as Json;

use super::*;
use crate::engine::Storage;

mod soup;

const MINE: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
const THEIRS: &str = "01BX5ZZKBKACTAV9WEVGEMMVRZ";

fn template() -> Template {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
    Template::read(&path, &BTreeMap::new()).unwrap()
}

fn door() -> Door {
    let mut template = template();
    template.table = template.table.with_partitions_of_its_indexes();
    let engine = Engine::open(Storage::Memory, &template.table).unwrap();
    Door::new(engine, LocalIssuer::from_key([1; 32]), &template, crate::clock::system_clock())
}

fn tenant(account: &str) -> CallerIdentity {
    CallerIdentity::Tenant {
        role: "TenantRole".to_owned(),
        account: account.to_owned(),
        expires_at_ms: u64::MAX,
    }
}

fn function(role: &str) -> CallerIdentity {
    CallerIdentity::Function { role: role.to_owned() }
}

async fn call(door: &Door, caller: &CallerIdentity, operation: &str, body: Json) -> (u16, Json) {
    let token = door.inner.issuer.seal(caller).unwrap();
    let request = Request::builder()
        .header(TARGET, format!("DynamoDB_20120810.{operation}"))
        .header(TOKEN, token)
        .body(Bytes::from(body.to_string()))
        .unwrap();
    let response = door.handle(request).await.unwrap();
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap())
}

fn key(pk: &str, sk: &str) -> Json {
    json!({ "pk": { "S": pk }, "sk": { "S": sk } })
}

fn clients(account: &str) -> String {
    format!("A#{account}#CLI")
}

fn refused(answer: &(u16, Json)) -> bool {
    answer.0 == 400
        && answer.1["__type"] == "com.amazon.coral.service#AccessDeniedException"
        && answer.1["message"].is_string()
}

#[tokio::test]
async fn a_tenant_reads_and_writes_its_own_items() {
    let door = door();
    let put = json!({ "TableName": "Table", "Item": key(&clients(MINE), "1") });
    assert_eq!(call(&door, &tenant(MINE), "PutItem", put).await, (200, json!({})));
    let get = json!({ "TableName": "Table", "Key": key(&clients(MINE), "1") });
    let (status, answer) = call(&door, &tenant(MINE), "GetItem", get).await;
    assert_eq!((status, &answer["Item"]), (200, &key(&clients(MINE), "1")));
}

#[tokio::test]
async fn a_tenant_reaches_nothing_of_another() {
    let door = door();
    let theirs = key(&clients(THEIRS), "1");
    let mut smuggled = key(&clients(MINE), "1");
    smuggled["gsi1pk"] = json!({ "S": clients(THEIRS) });
    let query = json!({
        "TableName": "Table",
        "IndexName": "gsi1",
        "KeyConditionExpression": "gsi1pk = :pk",
        "ExpressionAttributeValues": { ":pk": { "S": clients(THEIRS) } },
    });
    let cases = [
        ("GetItem", json!({ "TableName": "Table", "Key": theirs })),
        ("DeleteItem", json!({ "TableName": "Table", "Key": theirs })),
        ("PutItem", json!({ "TableName": "Table", "Item": theirs })),
        ("PutItem", json!({ "TableName": "Table", "Item": smuggled })),
        ("Query", query),
        (
            "TransactWriteItems",
            json!({ "TransactItems": [
            { "Put": { "TableName": "Table", "Item": key(&clients(MINE), "1") } },
            { "Delete": { "TableName": "Table", "Key": theirs } },
        ] }),
        ),
        (
            "BatchGetItem",
            json!({ "RequestItems": { "Table": { "Keys": [key(&clients(MINE), "1"), theirs] } } }),
        ),
        ("Scan", json!({ "TableName": "Table" })),
        (
            "UpdateItem",
            json!({
                "TableName": "Table",
                "Key": key(&clients(MINE), "1"),
                "UpdateExpression": "SET gsi2pk = :v",
                "ExpressionAttributeValues": { ":v": { "S": clients(THEIRS) } },
            }),
        ),
    ];
    for (operation, body) in cases {
        let answer = call(&door, &tenant(MINE), operation, body).await;
        assert!(refused(&answer), "{operation}: {answer:?}");
    }
    for kind in ["ACC", "USR", "MFA", &format!("SES#{MINE}"), &format!("EVT#{MINE}")] {
        let get = json!({ "TableName": "Table", "Key": key(&format!("A#{MINE}#{kind}"), "1") });
        let answer = call(&door, &tenant(MINE), "GetItem", get).await;
        assert!(refused(&answer), "{kind}: {answer:?}");
    }
    assert_eq!(door.log().totals().allowed, 0);
}

#[tokio::test]
async fn each_function_has_the_reach_of_its_role() {
    let door = door();
    let session = format!("A#{MINE}#SES#{MINE}");
    let cases = [
        ("HealthFunctionRole", "JWKS", true),
        ("HealthFunctionRole", session.as_str(), false),
        ("ClientsFunctionRole", "JWKS", true),
        ("ClientsFunctionRole", &session, true),
        ("ClientsFunctionRole", &clients(MINE), false),
        ("AuthFunctionRole", "EMAIL#a@example.com", true),
        ("AuthFunctionRole", &clients(MINE), false),
        ("FallbackFunctionRole", "JWKS", false),
        ("NoSuchRole", "JWKS", false),
    ];
    for (role, pk, allowed) in cases {
        let get = json!({ "TableName": "Table", "Key": key(pk, "1") });
        let answer = call(&door, &function(role), "GetItem", get).await;
        assert_eq!(answer.0 == 200, allowed, "{role} {pk}: {answer:?}");
        assert_eq!(refused(&answer), !allowed, "{role} {pk}: {answer:?}");
    }
}

#[tokio::test]
async fn a_call_needs_a_token_of_this_issuer() {
    let door = door();
    let expired =
        CallerIdentity::Tenant { role: "TenantRole".to_owned(), account: MINE.to_owned(), expires_at_ms: 1 };
    let own = LocalIssuer::from_key([1; 32]);
    let foreign = LocalIssuer::from_key([2; 32]);
    let cases = [
        (None, "MissingAuthenticationTokenException"),
        (Some("x".to_owned()), "UnrecognizedClientException"),
        (foreign.seal(&tenant(MINE)).ok(), "UnrecognizedClientException"),
        (own.seal(&expired).ok(), "ExpiredTokenException"),
    ];
    for (token, name) in cases {
        let mut request = Request::builder().header(TARGET, "DynamoDB_20120810.GetItem");
        if let Some(token) = token {
            request = request.header(TOKEN, token);
        }
        let body = json!({ "TableName": "Table", "Key": key(&clients(MINE), "1") });
        let request = request.body(Bytes::from(body.to_string())).unwrap();
        let response = door.handle(request).await.unwrap();
        assert_eq!(response.status(), 400);
        let answer: Json = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(answer["__type"], format!("com.amazon.coral.service#{name}"));
        assert!(response.headers().contains_key(REQUEST_ID));
    }
}

#[tokio::test]
async fn every_call_is_recorded() {
    let door = door();
    let mut item = key(&clients(MINE), "1");
    item["gsi1pk"] = json!({ "S": clients(MINE) });
    item["gsi1sk"] = json!({ "S": "1" });
    let put = json!({ "TableName": "Table", "Item": item });
    call(&door, &tenant(MINE), "PutItem", put).await;
    let write = json!({ "TransactItems": [
        { "Put": { "TableName": "Table", "Item": key(&clients(MINE), "2") } },
        { "ConditionCheck": {
            "TableName": "Table",
            "Key": key(&clients(MINE), "1"),
            "ConditionExpression": "attribute_exists(pk)",
        } },
    ] });
    assert_eq!(call(&door, &tenant(MINE), "TransactWriteItems", write).await.0, 200);
    let theirs = json!({ "TableName": "Table", "Key": key(&clients(THEIRS), "1") });
    call(&door, &tenant(MINE), "GetItem", theirs).await;

    let calls = door.log().calls_since(0);
    let [put, write, get] = calls.as_slice() else {
        panic!("{calls:?}");
    };
    assert_eq!((put.seq, put.operation.as_str(), put.status), (1, "PutItem", 200));
    assert_eq!(put.caller, Some(tenant(MINE)));
    assert!((put.capacity.write - 2.0).abs() < f64::EPSILON, "the table and one index");
    assert_eq!(write.partitions_written, [clients(MINE)], "a check writes nothing");
    assert_eq!(write.keys, [clients(MINE), clients(MINE)]);
    assert!(write.capacity.write >= 2.0);
    assert!(!get.allowed);
    assert!(get.reason.as_deref().is_some_and(|why| why.contains("not authorized")));
    assert_eq!(door.log().calls_since(2), [Arc::clone(get)]);
    assert_eq!(door.log().last_seq(), 3);
    assert_eq!(door.log().writes_by_partition(), [(clients(MINE), 2)]);
    let totals = door.log().totals();
    assert_eq!((totals.allowed, totals.refused), (2, 1));
}

fn sdk(door: &Door, caller: &CallerIdentity) -> Client {
    let token = door.inner.issuer.seal(caller).unwrap();
    Client::from_conf(
        Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("local"))
            .endpoint_url("http://dynamodb.local")
            .credentials_provider(Credentials::new("local", "local", Some(token), None, "test"))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .timeout_config(TimeoutConfig::builder().read_timeout(Duration::from_millis(200)).build())
            .sleep_impl(aws_sdk_dynamodb::config::SharedAsyncSleep::new(Sleep))
            .http_client(DoorConnector::new(door.clone()))
            .build(),
    )
}

/// The SDK's own sleep is behind a feature the functions turn on and this crate does not need.
#[derive(Debug)]
struct Sleep;

impl aws_sdk_dynamodb::config::AsyncSleep for Sleep {
    fn sleep(&self, duration: Duration) -> aws_sdk_dynamodb::config::Sleep {
        aws_sdk_dynamodb::config::Sleep::new(tokio::time::sleep(duration))
    }
}

async fn put(client: &Client, pk: &str) -> Result<(), String> {
    client
        .put_item()
        .table_name("Table")
        .item("pk", AttributeValue::S(pk.to_owned()))
        .item("sk", AttributeValue::S("1".to_owned()))
        .send()
        .await
        .map(drop)
        .map_err(|error| error.code().unwrap_or("no code").to_owned())
}

#[tokio::test]
async fn the_sdk_goes_through_the_door() {
    let door = door();
    let client = sdk(&door, &tenant(MINE));
    assert_eq!(put(&client, &clients(MINE)).await, Ok(()));
    assert_eq!(put(&client, &clients(THEIRS)).await, Err("AccessDeniedException".to_owned()));
}

#[tokio::test]
async fn the_sdk_retries_what_fails_on_order() {
    let door = door();
    let client = sdk(&door, &tenant(MINE));
    let faults = [
        Fault::BeforeExecution(ServiceError::ProvisionedThroughputExceeded),
        Fault::BeforeExecution(ServiceError::Throttling),
        Fault::BeforeExecution(ServiceError::InternalServerError),
        Fault::Dropped,
        Fault::AfterExecution,
    ];
    for how in faults {
        let before = door.log().last_seq();
        door.faults().arm([FailNth { n: 1, how }]);
        assert_eq!(put(&client, &clients(MINE)).await, Ok(()), "{how:?}");
        assert_eq!(door.faults().calls(), 2, "{how:?}");
        let first = &door.log().calls_since(before)[0];
        assert_eq!(first.reason, Some(format!("{how:?}")));
        let executed = how == Fault::AfterExecution;
        assert_eq!(!first.partitions_written.is_empty(), executed, "{how:?}");
    }
}

#[tokio::test]
async fn a_hanging_call_ends_at_the_clients_timeout() {
    let door = door();
    let client = sdk(&door, &tenant(MINE));
    let how = Fault::Hang(Duration::from_mins(1));
    door.faults().arm([FailNth { n: 1, how }]);
    let start = Instant::now();
    assert_eq!(put(&client, &clients(MINE)).await, Ok(()));
    assert!(start.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_transaction_can_conflict() {
    let door = door();
    let how = Fault::TransactionConflict;
    let write = json!({ "TransactItems": [
        { "Put": { "TableName": "Table", "Item": key(&clients(MINE), "1") } },
        { "Put": { "TableName": "Table", "Item": key(&clients(MINE), "2") } },
    ] });
    door.faults().arm([FailNth { n: 1, how }, FailNth { n: 2, how }]);
    let (status, answer) = call(&door, &tenant(MINE), "TransactWriteItems", write).await;
    assert_eq!(status, 400);
    assert_eq!(
        answer["CancellationReasons"],
        json!([
            { "Code": "TransactionConflict", "Message": "Transaction is ongoing for the item" },
            { "Code": "None" },
        ])
    );
    let single = json!({ "TableName": "Table", "Item": key(&clients(MINE), "1") });
    let (_, answer) = call(&door, &tenant(MINE), "PutItem", single.clone()).await;
    assert_eq!(answer["__type"], "com.amazonaws.dynamodb.v20120810#TransactionConflictException");
    assert_eq!(call(&door, &tenant(MINE), "PutItem", single).await.0, 200);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "a server runs beside its test")]
async fn the_door_is_served_on_loopback_only() {
    let door = door();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(door.clone(), listener, async {
        let _ = stopped.await;
    }));
    let post = || {
        reqwest::Client::new()
            .post(format!("http://{address}/"))
            .header(TARGET, "DynamoDB_20120810.GetItem")
            .header(TOKEN, door.inner.issuer.seal(&tenant(MINE)).unwrap())
            .json(&json!({ "TableName": "Table", "Key": key(&clients(MINE), "1") }))
            .send()
    };
    assert_eq!(post().await.unwrap().status(), 200);
    door.faults().arm([FailNth { n: 1, how: Fault::Dropped }]);
    assert!(post().await.is_err(), "the connection ends without an answer");
    stop.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(post().await.is_err(), "nobody listens any more");

    let everywhere = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let error = serve(door, everywhere, async {}).await.unwrap_err();
    assert!(matches!(error, ServeError::NotLoopback(_)));
}

#[tokio::test]
async fn a_function_assumes_the_tenant_role_through_the_same_connector() {
    use aws_smithy_runtime_api::client::http::HttpConnector;
    use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
    use aws_smithy_types::body::SdkBody;

    let door = door();
    let assume = async |role: &str| {
        let form = format!(
            "Action=AssumeRole&RoleArn={}&Tags.member.1.Key=account&Tags.member.1.Value={MINE}",
            template().roles["TenantRole"].arn
        );
        let mut request = HttpRequest::new(SdkBody::from(form));
        let token = door.inner.issuer.seal(&function(role)).unwrap();
        request.headers_mut().insert("content-type", "application/x-www-form-urlencoded");
        request.headers_mut().insert(TOKEN, token);
        let response = DoorConnector::new(door.clone()).call(request).await.unwrap();
        let body = String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap();
        (response.status().as_u16(), body)
    };
    let (status, xml) = assume("ClientsFunctionRole").await;
    let token = xml
        .split_once("<SessionToken>")
        .and_then(|(_, rest)| rest.split_once("</SessionToken>"))
        .map(|(token, _)| token)
        .unwrap();
    let session = door.inner.issuer.open(token, 0).unwrap();
    assert_eq!(status, 200);
    assert!(matches!(session, CallerIdentity::Tenant { account, .. } if account == MINE));

    let (status, xml) = assume("HealthFunctionRole").await;
    assert_eq!(status, 403);
    assert!(xml.contains("<Code>AccessDenied</Code>"), "{xml}");
}
