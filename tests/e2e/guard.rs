//! The engine says no: what wrong code asks of the table is refused by the policies of the template,
//! whatever the code is.

mod wrong;

use std::collections::BTreeMap;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, retry::RetryConfig};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use nexo_api::{Access, Operation, Platform, Routes, Shape, Tenant, Verb, app, json};
use nexo_local::policy::{Decision, Request, evaluate};
use nexo_local::{CallerIdentity, DoorConnector, LocalIssuer, door};
use nexo_store::{StoreConfig, StsVendor};
use nexo_tests::{Answer, Company, Nexo, table};
use reqwest::Method;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::ServiceExt as _;

use wrong::{CALLS, Partitions};

/// An SDK client whose every call carries `token`; without one it has no credentials at all.
fn client(token: Option<&str>, endpoint: &str, http: SharedHttpClient) -> Client {
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("local"))
        .endpoint_url(endpoint)
        .http_client(http)
        .retry_config(RetryConfig::disabled());
    if let Some(token) = token {
        config =
            config.credentials_provider(Credentials::new("local", "local", Some(token.into()), None, "test"));
    }
    Client::from_conf(config.build())
}

fn in_process(nexo: &Nexo) -> SharedHttpClient {
    SharedHttpClient::new(DoorConnector::new(nexo.door().clone()))
}

/// Runs `work` with the guard listening on a port, as it does for functions of their own processes.
async fn over_tcp(nexo: &Nexo, work: impl AsyncFnOnce(String)) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = door::serve(nexo.door().clone(), listener, async {
        let _ = stopped.await;
    });
    let working = async {
        work(endpoint).await;
        drop(stop);
    };
    let (served, ()) = tokio::join!(serving, working);
    served.unwrap();
}

/// Two companies with a client each.
async fn two_companies(nexo: &Nexo) -> (Company<'_>, Company<'_>) {
    let (own, other) = (nexo.register().await, nexo.register().await);
    own.client("Ours").await;
    other.client("Theirs").await;
    (own, other)
}

#[tokio::test]
async fn an_accounts_credentials_reach_no_other_account() {
    let nexo = Nexo::start().await;
    let (own, other) = two_companies(&nexo).await;
    let theirs = other.get("/api/clients").await.body;
    let partitions = Partitions::of(&nexo, &own, &other).await;
    for token in [nexo.tenant_token(&own.account()).await, nexo.files_token(&own.account()).await] {
        let direct = client(Some(&token), "http://door.invalid", in_process(&nexo));
        wrong::assert_refused(&nexo, &direct, &partitions, "AccessDeniedException").await;
        over_tcp(&nexo, async |endpoint| {
            let remote = client(Some(&token), &endpoint, StoreConfig::https());
            wrong::assert_refused(&nexo, &remote, &partitions, "AccessDeniedException").await;
        })
        .await;
    }
    assert_eq!(other.get("/api/clients").await.body, theirs);
}

#[tokio::test]
async fn an_accounts_credentials_do_not_reach_its_own_users_and_sessions() {
    let nexo = Nexo::start().await;
    let own = nexo.register().await;
    let (account, user) = (own.account(), table::ulid(own.user()));
    let token = nexo.tenant_token(&account).await;
    let of_users = ["ACC", "USR", "OUT", "MFA", "KEY", "USE"].map(str::to_owned);
    for partition in of_users.into_iter().chain([format!("SES#{user}"), format!("EVT#{user}")]) {
        let partition = format!("A#{account}#{partition}");
        let key = json!({"pk": {"S": partition}, "sk": {"S": user}});
        let query = json!({
            "TableName": nexo.table_name(), "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": partition}},
        });
        let wrong = [
            ("GetItem", json!({"TableName": nexo.table_name(), "Key": key})),
            ("DeleteItem", json!({"TableName": nexo.table_name(), "Key": key})),
            ("PutItem", json!({"TableName": nexo.table_name(), "Item": key})),
            ("Query", query),
        ];
        for (operation, body) in wrong {
            let (status, answer) = nexo.table_call(Some(&token), operation, &body).await;
            assert_eq!(
                (status, wrong::code(&answer)),
                (400, "AccessDeniedException"),
                "{operation} {partition}"
            );
        }
    }
    assert_eq!(own.get("/api/auth/profile").await.status, 200);
}

/// What the directory role is for: of its own account all of it, of another's nothing, and no records.
#[tokio::test]
async fn a_directorys_credentials_reach_one_accounts_directory() {
    let nexo = Nexo::start().await;
    let (own, other) = two_companies(&nexo).await;
    let token = nexo.directory_token(&own.account()).await;
    let tags = ["ACC", "USR", "SES#x", "KEY", "USE", "CLI"];
    for (account, tag) in [&own, &other].iter().flat_map(|company| tags.map(|tag| (company.account(), tag))) {
        let partition = format!("A#{account}#{tag}");
        let key = json!({"pk": {"S": partition}, "sk": {"S": "x"}});
        let table = nexo.table_name();
        let query = json!({
            "TableName": table, "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": partition}},
        });
        for (operation, body) in [
            ("GetItem", json!({"TableName": table, "Key": key})),
            ("PutItem", json!({"TableName": table, "Item": key})),
            ("DeleteItem", json!({"TableName": table, "Key": key})),
            ("Query", query),
        ] {
            let (status, answer) = nexo.table_call(Some(&token), operation, &body).await;
            let is_its_own = account == own.account() && tag != "CLI";
            let expected = if is_its_own { (200, "") } else { (400, "AccessDeniedException") };
            assert_eq!((status, wrong::code(&answer)), expected, "{operation} {partition}");
        }
    }
    let partitions = Partitions::of(&nexo, &own, &other).await;
    let direct = client(Some(&token), "http://door.invalid", in_process(&nexo));
    wrong::assert_refused(&nexo, &direct, &partitions, "AccessDeniedException").await;
}

/// A function's own role reads API keys and notes their use. It neither makes nor changes one.
#[tokio::test]
async fn a_function_that_takes_api_keys_cannot_write_them() {
    let nexo = Nexo::start().await;
    let own = nexo.register().await;
    for function in nexo.server().template().functions.keys() {
        let token = nexo.function_token(function);
        let takes_keys =
            ["ClientsFunction", "EmployeesFunction", "ImportsFunction", "UploadsFunction", "UsersFunction"]
                .contains(&function.as_str());
        for (tag, operation, may) in [
            ("KEY", "GetItem", takes_keys),
            ("KEY", "UpdateItem", false),
            ("KEY", "PutItem", false),
            ("KEY", "DeleteItem", false),
            ("KEY", "Query", false),
            ("USE", "UpdateItem", takes_keys),
            ("USE", "GetItem", false),
            ("USE", "PutItem", false),
            ("USE", "DeleteItem", false),
        ] {
            let partition = format!("A#{}#{tag}", own.account());
            let key = json!({"pk": {"S": partition}, "sk": {"S": "x"}});
            let mut body = match operation {
                "PutItem" => json!({"Item": key}),
                "Query" => json!({
                    "KeyConditionExpression": "pk = :p",
                    "ExpressionAttributeValues": {":p": {"S": partition}},
                }),
                "UpdateItem" => json!({
                    "Key": key, "UpdateExpression": "SET lastUsedAt = :t",
                    "ExpressionAttributeValues": {":t": {"S": "x"}},
                }),
                _ => json!({"Key": key}),
            };
            body["TableName"] = json!(nexo.table_name());
            let (status, answer) = nexo.table_call(Some(&token), operation, &body).await;
            assert_eq!(status == 200, may, "{function} {operation} {tag}: {answer}");
        }
    }
}

#[tokio::test]
async fn functions_add_security_events_and_change_none() {
    let nexo = Nexo::start().await;
    let own = nexo.register().await;
    let (account, user) = (own.account(), table::ulid(own.user()));
    let key = json!({"pk": {"S": format!("A#{account}#EVT#{user}")}, "sk": {"S": user}});
    let query = json!({
        "TableName": nexo.table_name(), "KeyConditionExpression": "pk = :p",
        "ExpressionAttributeValues": {":p": key["pk"]},
    });
    let by_key = json!({"TableName": nexo.table_name(), "Key": key});
    let put = json!({"TableName": nexo.table_name(), "Item": key});
    let directory = &nexo.server().template().roles["DirectoryRole"].arn;
    let directory = nexo.assume(&nexo.function_token("UsersFunction"), directory, &account).await.unwrap();
    let own_role = |function: &'static str| (function, nexo.function_token(function));
    for ((function, token), may_read, may_write) in [
        (("DirectoryRole", directory), true, true),
        (own_role("AuthFunction"), true, true),
        (own_role("ClientsFunction"), false, true),
        (own_role("EmployeesFunction"), false, true),
        (own_role("UsersFunction"), false, true),
        (own_role("HealthFunction"), false, false),
        (own_role("FallbackFunction"), false, false),
    ] {
        for (operation, body, allowed) in [
            ("PutItem", &put, may_write),
            ("Query", &query, may_read),
            ("GetItem", &by_key, false),
            ("UpdateItem", &by_key, false),
            ("DeleteItem", &by_key, false),
        ] {
            let (status, answer) = nexo.table_call(Some(&token), operation, body).await;
            let wanted = if allowed { 200 } else { 400 };
            assert_eq!(status, wanted, "{function} {operation}: {answer}");
            assert!(
                allowed || wrong::code(&answer) == "AccessDeniedException",
                "{function} {operation}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn only_credentials_that_were_given_out_are_taken() {
    let nexo = Nexo::start().await;
    let (own, other) = two_companies(&nexo).await;
    let partitions = Partitions::of(&nexo, &own, &other).await;
    let account = other.account();
    let expires_at_ms = u64::MAX;
    let forged = LocalIssuer::random().unwrap();
    let forged = forged
        .seal(&CallerIdentity::Tenant {
            role: "TenantRole".to_owned(),
            account: account.clone(),
            expires_at_ms,
        })
        .unwrap();
    let genuine = nexo.tenant_token(&account).await;
    let mut changed = genuine.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });

    over_tcp(&nexo, async |endpoint| {
        for (endpoint, http) in
            [(endpoint.as_str(), StoreConfig::https()), ("http://door.invalid", in_process(&nexo))]
        {
            for token in [forged.as_str(), &changed, "", "A", &format!("{genuine}A")] {
                let stranger = client(Some(token), endpoint, http.clone());
                wrong::assert_refused(&nexo, &stranger, &partitions, "UnrecognizedClientException").await;
            }
        }
    })
    .await;
    let get = wrong::own_item(&nexo, &account);
    let (status, answer) = nexo.table_call(None, "GetItem", &get).await;
    assert_eq!((status, wrong::code(&answer)), (400, "MissingAuthenticationTokenException"), "{answer}");

    // An hour later what was genuine is over, for its own account too.
    assert_eq!(nexo.table_call(Some(&genuine), "GetItem", &get).await.0, 200);
    nexo.clock.advance(60 * 60 * 1000);
    let late = client(Some(&genuine), "http://door.invalid", in_process(&nexo));
    wrong::assert_refused(&nexo, &late, &partitions, "ExpiredTokenException").await;
    let (status, answer) = nexo.table_call(Some(&genuine), "GetItem", &get).await;
    assert_eq!((status, wrong::code(&answer)), (400, "ExpiredTokenException"), "{answer}");
}

#[tokio::test]
async fn a_call_without_credentials_does_not_leave_the_process() {
    let nexo = Nexo::start().await;
    let (own, other) = two_companies(&nexo).await;
    let partitions = Partitions::of(&nexo, &own, &other).await;
    let base = client(None, "http://door.invalid", in_process(&nexo));
    let before = nexo.door().log().last_seq();
    for (name, call) in CALLS {
        let error = call(&base, &partitions).await.expect_err(name);
        assert_eq!(error.code, None, "{name} was answered: {error:?}");
        assert!(error.text.contains("NoIdentityResolver"), "{name}: {error:?}");
    }
    assert_eq!(nexo.door().log().last_seq(), before);
}

#[tokio::test]
async fn a_functions_own_role_reaches_no_tenants_data() {
    let nexo = Nexo::start().await;
    let (own, other) = two_companies(&nexo).await;
    let partitions = Partitions::of(&nexo, &own, &other).await;
    let functions: Vec<String> = nexo.server().template().functions.keys().cloned().collect();
    assert!(functions.len() >= 4);
    for function in &functions {
        let token = nexo.function_token(function);
        let direct = client(Some(&token), "http://door.invalid", in_process(&nexo));
        wrong::assert_refused(&nexo, &direct, &partitions, "AccessDeniedException").await;
        // What is not a tenant's: only `auth` reaches logins and what waits for links, and nobody writes what others trust.
        for partition in ["EMAIL#owner@company.example", "TRY#x", "LINK#x", "MAIL#x"] {
            let key = json!({"pk": {"S": partition}, "sk": {"S": "LOGIN"}});
            let get = json!({"TableName": nexo.table_name(), "Key": key});
            let (status, _) = nexo.table_call(Some(&token), "GetItem", &get).await;
            assert_eq!(status == 200, function == "AuthFunction", "{function} reads {partition}");
        }
        let keys =
            json!({"TableName": nexo.table_name(), "Item": {"pk": {"S": "JWKS"}, "sk": {"S": "JWKS"}}});
        let (status, _) = nexo.table_call(Some(&token), "PutItem", &keys).await;
        assert_eq!(status == 200, function == "AuthFunction", "{function} publishes keys");
    }
}

#[tokio::test]
async fn only_a_function_of_records_gets_an_accounts_credentials() {
    let nexo = Nexo::start().await;
    let roles = &nexo.server().template().roles;
    let role = &roles["TenantRole"].arn;
    let (own, other) = two_companies(&nexo).await;
    let account = other.account();
    for function in nexo.server().template().functions.keys() {
        for (role, functions) in [
            ("TenantRole", ["ClientsFunction", "EmployeesFunction", "ImportsFunction"].as_slice()),
            // Only who signs requests to the bucket gets what they are signed with.
            ("FilesTenantRole", &["UploadsFunction"]),
            ("ImportTenantRole", &["ImporterFunction"]),
        ] {
            let given = nexo.assume(&nexo.function_token(function), &roles[role].arn, &account).await;
            assert_eq!(given.is_ok(), functions.contains(&function.as_str()), "{function} {role}: {given:?}");
        }
    }
    // Nor does an account's session lead to another's, and the tag is one account, never a pattern.
    let tenant = nexo.tenant_token(&own.account()).await;
    assert!(nexo.assume(&tenant, role, &account).await.unwrap_err().contains("InvalidClientTokenId"));
    assert!(nexo.assume("forged", role, &account).await.is_err());
    let clients = nexo.function_token("ClientsFunction");
    let one = "?".repeat(26);
    for pattern in [
        "*",
        "",
        &one,
        &account.to_lowercase(),
        &format!("{account}&Tags.member.2.Key=x&Tags.member.2.Value=y"),
    ] {
        let given = nexo.assume(&clients, role, pattern).await;
        assert!(given.is_err(), "{pattern}: {given:?}");
    }
}

/// The wrong handler: it lists the partition that the caller names, under the caller's own scope.
const WRONG: Operation = Operation {
    method: Verb::Get,
    path: "/{id}",
    id: "wrong",
    summary: "Lists whatever is asked for",
    access: Access::Needs(nexo_domain::Permission::ClientRead),
    problems: &[],
    success: 200,
    shape: Shape::new(|_| ()),
};

#[tokio::test]
async fn a_handler_that_takes_the_partition_from_its_caller_is_refused() {
    let nexo = Nexo::start().await;
    let (own, other) = two_companies(&nexo).await;
    let function = function_with_the_wrong_handler(&nexo);
    let ask = async |account: &str| {
        let request = http::Request::get(format!("/wrong/{account}"))
            .header("authorization", format!("Bearer {}", own.token()))
            .body(axum::body::Body::empty())
            .unwrap();
        let answer = function.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let (status, body) = ask(&own.account()).await;
    assert_eq!((status, body.as_str()), (200, "[\"Ours\"]"));
    let (status, body) = ask(&other.account()).await;
    assert_eq!(status, 500, "{body}");
    assert!(!body.contains("Theirs") && !body.contains(&other.account()), "{body}");
    assert_eq!(nexo.door().log().totals().refused, 1);
}

fn function_with_the_wrong_handler(nexo: &Nexo) -> axum::Router {
    let environment = nexo.server().environment("ClientsFunction", "http://door.invalid").unwrap();
    let token = environment["AWS_SESSION_TOKEN"].clone();
    let own_role = Credentials::new("local", "local", Some(token), None, "test");
    let http = in_process(nexo);
    let endpoint = Some("http://door.invalid".to_owned());
    let role = environment["NEXO_TENANT_ROLE_ARN"].clone();
    let vendor = StsVendor::new(role, "local".into(), endpoint.clone(), own_role.clone(), http.clone());
    let table = nexo.table_name().to_owned();
    let store = StoreConfig {
        table: table.clone(),
        region: "local".into(),
        endpoint,
        own_role,
        http: http.clone(),
        clock: nexo.clock.clone(),
    };
    let mut platform = Platform::new(store, &environment["NEXO_ISSUER"], Some(Box::new(vendor)));
    platform.log = std::sync::Arc::new(|_| ());
    let handler = async move |tenant: Tenant, request: axum::extract::Request| {
        let account = request.uri().path().trim_start_matches("/wrong/").to_owned();
        let token = tenant.scope().credentials().session_token.clone();
        let client = client(Some(&token), "http://door.invalid", http);
        match wrong::names_in(&client, &table, &format!("A#{account}#CLI")).await {
            Ok(names) => Ok(json(http::StatusCode::OK, &names)),
            Err(error) => Err(nexo_api::Problem::internal(&error.text)),
        }
    };
    app(Routes::new(&platform, "/wrong").on(WRONG, handler))
}

#[tokio::test]
async fn every_call_of_a_tour_is_its_own_accounts_and_nobody_elses() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let ((), calls) = nexo.calls_of(tour(&nexo, &own)).await;
    tour(&nexo, &other).await;
    assert_eq!(nexo.door().log().totals().refused, 0);

    let template = nexo.server().template();
    let statements = &template.roles["TenantRole"].statements;
    let mut resources = vec![template.table.arn.clone()];
    resources.extend(
        template.table.indexes.iter().map(|index| format!("{}/index/{}", template.table.arn, index.name)),
    );
    let decide = |action: &str, key: &str, account: &str| {
        let context = BTreeMap::from([("dynamodb:LeadingKeys", vec![key])]);
        let tags = BTreeMap::from([("account".to_owned(), account.to_owned())]);
        let one = |resource: &String| {
            let resources = std::slice::from_ref(resource);
            evaluate(statements, &Request { action, resources, context: &context, tags: &tags })
        };
        resources.iter().map(one).collect::<Vec<_>>()
    };
    let (account, stranger) = (own.account(), other.account());
    let mut operations = std::collections::BTreeSet::new();
    for call in calls {
        assert!(call.allowed, "{call:?}");
        let Some(CallerIdentity::Tenant { account: of, .. }) = &call.caller else { continue };
        assert_eq!(*of, account, "{call:?}");
        assert!(!call.keys.is_empty(), "{call:?}");
        operations.insert(call.operation.clone());
        for key in &call.keys {
            assert!(key.starts_with(&format!("A#{account}#")), "{call:?}");
            // The same key, asked for by any other account, with any action the role knows.
            for action in ["GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"] {
                let action = format!("dynamodb:{action}");
                for decision in decide(&action, key, &stranger) {
                    assert!(matches!(decision, Decision::Denied(_)), "{stranger} may {action} {key}");
                }
            }
        }
    }
    let expected = ["GetItem", "PutItem", "Query", "TransactWriteItems", "UpdateItem"];
    assert_eq!(operations.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

/// Uses every route that reaches an account's data, with what makes each of them do its most.
async fn tour(nexo: &Nexo, company: &Company<'_>) {
    let expect = |status: u16, answer: Answer| {
        assert_eq!(answer.status, status, "{answer:?}");
        answer.body
    };
    let parent = company.client("Parent").await;
    let body = json!({"name": "Child", "taxId": "DE 1", "parentId": parent["id"], "tags": ["new"]});
    let create = company.request(Method::POST, "/api/clients").header("idempotency-key", "one").json(&body);
    let child = expect(201, Answer::of(create.try_clone().unwrap()).await);
    expect(201, Answer::of(create).await);
    let path = format!("/api/clients/{}", child["id"].as_str().unwrap());
    expect(409, company.post("/api/clients", &json!({"name": "Twin", "taxId": "de-1"})).await);
    expect(200, company.get(&path).await);
    for query in ["", "?sort=name&q=ch", "?sort=-updatedAt&status=lead", "?tag=new&limit=1"] {
        expect(200, company.get(&format!("/api/clients{query}")).await);
    }
    expect(200, company.patch(&path, &json!({"status": "active"})).await);
    expect(200, company.patch(&path, &json!({"taxId": "DE 2"})).await);
    expect(200, company.put(&path, &json!({"name": "Child", "taxId": "DE 3"})).await);
    expect(412, Answer::of(company.request(Method::DELETE, &path).header("if-match", "\"1\"")).await);
    expect(204, company.delete(&path).await);
    expect(200, company.post(&format!("{path}/restore"), &json!({})).await);
    employees_tour(company).await;
    expect(200, company.patch("/api/auth/profile", &json!({"firstName": "Grace"})).await);
    expect(200, company.get("/api/auth/sessions").await);
    let refresh = json!({"refreshToken": company.refresh_token()});
    expect(200, Answer::of(nexo.request(Method::POST, "/api/auth/refresh").json(&refresh)).await);
}

/// The same, through what changes other records with it.
async fn employees_tour(company: &Company<'_>) {
    let expect = |status: u16, answer: Answer| {
        assert_eq!(answer.status, status, "{answer:?}");
        answer.body
    };
    let mut ids = Vec::new();
    for (collection, body) in [
        ("departments", json!({"name": "IT", "code": "IT"})),
        ("departments", json!({"name": "HR", "code": "HR"})),
        ("positions", json!({"title": "Engineer", "headcount": 2})),
    ] {
        ids.push(expect(201, company.post(&format!("/api/{collection}"), &body).await)["id"].clone());
    }
    let mut manager = json!(null);
    for number in ["1", "2"] {
        let body = json!({
            "employeeNumber": number, "firstName": "Ada", "lastName": "L",
            "workEmail": format!("{number}@acme.example"), "hireDate": "2026-01-15", "departmentId": ids[0],
            "positionId": ids[2], "managerId": manager,
        });
        manager = expect(201, company.post("/api/employees", &body).await)["id"].clone();
    }
    let path = format!("/api/employees/{}", manager.as_str().unwrap());
    for (action, body) in [
        ("transfer", json!({"departmentId": ids[1], "effectiveFrom": "2026-02-01"})),
        ("leave", json!({"effectiveFrom": "2026-03-01"})),
        ("return", json!({"effectiveFrom": "2026-04-01"})),
        ("terminate", json!({"endDate": "2026-05-31"})),
        ("rehire", json!({"hireDate": "2026-06-01"})),
    ] {
        expect(200, company.post(&format!("{path}/{action}"), &body).await);
    }
    let [it, hr] = [0, 1].map(|index: usize| ids[index].as_str().unwrap());
    expect(200, company.patch(&format!("/api/departments/{it}"), &json!({"parentId": hr})).await);
    expect(204, company.delete(&path).await);
    expect(200, company.post(&format!("{path}/restore"), &json!({})).await);
    for path in [
        format!("/api/employees?withinDepartmentId={hr}"),
        format!("{path}/reports?depth=all"),
        format!("{path}/employment-records"),
        "/api/employees/org-chart".to_owned(),
        "/api/departments/tree".to_owned(),
    ] {
        expect(200, company.get(&path).await);
    }
}
