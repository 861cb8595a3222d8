use axum::extract::Request as AxumRequest;
use axum::routing::{any, get, post};
use bytes::Bytes;
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;
use serde_json::{Value as Json, json};

use super::*;

mod limits;

const TEMPLATE: &str = r#"
Parameters:
  IpRateLimit: { Type: Number, Default: 1000 }
  IpRateWindow: { Type: Number, Default: 60 }
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      CorsConfiguration:
        AllowOrigins: ["http://localhost:3000"]
        AllowMethods: [GET, POST]
        AllowHeaders: [authorization]
        ExposeHeaders: [etag]
        AllowCredentials: true
        MaxAge: 600
      RouteSettings: { "POST /login": { ThrottlingRateLimit: 1, ThrottlingBurstLimit: 2 } }
  One:
    Type: AWS::Serverless::Function
    Properties:
      Role: !GetAtt Role.Arn
      Timeout: 1
      Events:
        A: { Type: HttpApi, Properties: { Method: any, Path: "/echo/{id}" } }
        B: { Type: HttpApi, Properties: { Method: GET, Path: /panic } }
        C: { Type: HttpApi, Properties: { Method: GET, Path: /slow } }
        D: { Type: HttpApi, Properties: { Method: POST, Path: /login } }
        E: { Type: HttpApi, Properties: { Method: GET, Path: /bytes } }
        F: { Type: HttpApi, Properties: { Method: GET, Path: /headers } }
        G: { Type: HttpApi, Properties: { Method: POST, Path: /length } }
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: { Effect: Allow, Principal: { Service: lambda.amazonaws.com }, Action: sts:AssumeRole }
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
"#;

fn template(text: &str) -> Template {
    Template::parse("template.yaml", text, &BTreeMap::new()).unwrap()
}

/// Tells what arrived, the way a handler sees it.
async fn echo(request: AxumRequest) -> String {
    let path_parameters = request.path_parameters();
    let query = request.query_string_parameters();
    let RequestContext::ApiGatewayV2(context) = request.request_context() else {
        return "another event".to_owned();
    };
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let header = |name| parts.headers.get(name).map(|value: &HeaderValue| value.to_str().unwrap().to_owned());
    json!({
        "method": parts.method.as_str(),
        "path": parts.uri.path(),
        "id": path_parameters.first("id"),
        "query": parts.uri.query(),
        "a": query.all("a"),
        "many": header("x-many"),
        "cookie": header("cookie"),
        "forwarded": header("x-forwarded-for"),
        "routeKey": context.route_key,
        "sourceIp": context.http.source_ip,
        "userAgent": context.http.user_agent,
        "time": context.time,
        "body": String::from_utf8_lossy(&body),
        "bytes": body.len(),
    })
    .to_string()
}

fn router() -> Router {
    Router::new()
        .route("/echo/{id}", any(echo))
        .route("/panic", get(async || -> &'static str { panic!("on order") }))
        .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(5)).await))
        .route("/login", post(async || "in"))
        .route(
            "/length",
            post(async |body: Bytes| body.len().to_string())
                .layer(axum::extract::DefaultBodyLimit::disable()),
        )
        .route("/bytes", get(async || ([("content-type", "image/png")], vec![0_u8, 159, 146, 150])))
        .route(
            "/headers",
            get(async || {
                let headers = [
                    ("set-cookie", "a=1; HttpOnly"),
                    ("set-cookie", "b=2"),
                    ("etag", "\"7\""),
                    ("access-control-allow-origin", "*"),
                    ("connection", "close"),
                ];
                let mut response = Response::builder().status(201);
                for (name, value) in headers {
                    response = response.header(name, value);
                }
                response.body(Body::from("x")).unwrap()
            }),
        )
}

fn gateway_of(text: &str) -> Gateway {
    let functions = BTreeMap::from([("One".to_owned(), function(router()))]);
    // 2020-03-12T19:03:58Z
    Gateway::new(&template(text), functions, None, Arc::new(|| 1_584_039_838_000)).unwrap()
}

fn gateway() -> Gateway {
    gateway_of(TEMPLATE)
}

async fn send(gateway: &Gateway, request: http::request::Builder, body: impl Into<Body>) -> Response<Bytes> {
    let peer = SocketAddr::from(([192, 0, 2, 7], 4_711));
    let request = request.header("host", "localhost:4000").body(body.into()).unwrap();
    let (parts, body) = gateway.handle(request, peer).await.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

async fn get_path(gateway: &Gateway, path: &str) -> Response<Bytes> {
    send(gateway, Request::get(path), Body::empty()).await
}

fn says(response: &Response<Bytes>, status: u16, text: &str) {
    assert_eq!(response.status(), status);
    let body: Json = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(body, json!({ "message": text }));
    assert_eq!(response.headers()["content-type"], "application/json");
}

#[tokio::test]
async fn a_request_arrives_as_it_was_sent() {
    let request = Request::put("/echo/a%20b?a=1&a=x%20y&b=c+d")
        .header("x-many", "1")
        .header("X-Many", "2")
        .header("cookie", "s=1; t=2")
        .header("user-agent", "test/1")
        .header("x-forwarded-for", "198.51.100.1")
        .header("content-type", "application/json");
    let response = send(&gateway(), request, "{\"ü\":1}").await;
    let body: Json = serde_json::from_slice(response.body()).unwrap();

    assert_eq!(response.status(), 200);
    assert_eq!(
        body,
        json!({
            "method": "PUT",
            "path": "/echo/a%20b",
            "id": "a b",
            "query": "a=1&a=x%20y&b=c+d",
            "a": ["1", "x y"],
            "many": "1,2",
            "cookie": "s=1; t=2",
            "forwarded": "198.51.100.1, 192.0.2.7",
            "routeKey": "ANY /echo/{id}",
            "sourceIp": "192.0.2.7",
            "userAgent": "test/1",
            "time": "12/Mar/2020:19:03:58 +0000",
            "body": "{\"ü\":1}",
            "bytes": 8,
        })
    );
    assert_eq!(response.headers()["apigw-requestid"].len(), 26);
}

#[tokio::test]
async fn bytes_go_through_unharmed_both_ways() {
    let request = Request::post("/length").header("content-type", "image/png");
    let response = send(&gateway(), request, vec![0_u8, 159, 255]).await;
    assert_eq!(response.body(), "3");
    let request = Request::post("/length").header("content-type", "application/json");
    let response = send(&gateway(), request, vec![b'"', 255, b'"']).await;
    assert_eq!(response.body(), "3", "not UTF-8, whatever it claims");

    let response = get_path(&gateway(), "/bytes").await;
    assert_eq!(response.body().as_ref(), [0, 159, 146, 150]);
}

#[tokio::test]
async fn a_functions_headers_and_cookies_come_back() {
    let response = get_path(&gateway(), "/headers").await;
    let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().collect();
    assert_eq!(response.status(), 201);
    assert_eq!(cookies, ["a=1; HttpOnly", "b=2"]);
    assert_eq!(response.headers()["etag"], "\"7\"");
    for name in ["access-control-allow-origin", "connection"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn what_the_gateway_refuses_has_its_own_words() {
    let gateway = gateway();
    says(&get_path(&gateway, "/nowhere").await, 404, "Not Found");
    says(&get_path(&gateway, "/login").await, 404, "Not Found");
    says(&get_path(&gateway, "/panic").await, 500, "Internal Server Error");
    assert_eq!(get_path(&gateway, "/echo/1").await.status(), 200, "it lives on");

    let json = || Request::post("/length").header("content-type", "application/json");
    let large = vec![b'x'; MAX_BODY_BYTES + 1];
    says(&send(&gateway, json(), large).await, 413, "Request Entity Too Large");
    let over_lambdas_limit = vec![b'x'; MAX_EVENT_BYTES];
    let response = send(&gateway, json(), over_lambdas_limit).await;
    says(&response, 413, "Request Entity Too Large");
    let within = vec![b'x'; MAX_EVENT_BYTES - 10_000];
    assert_eq!(send(&gateway, json(), within).await.status(), 200);

    let hostless = Request::get("/echo/1").body(Body::empty()).unwrap();
    let peer = SocketAddr::from(([192, 0, 2, 7], 4_711));
    assert_eq!(gateway.handle(hostless, peer).await.status(), 400);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_takes_too_long_is_given_up() {
    says(&get_path(&gateway(), "/slow").await, 503, "Service Unavailable");
}

#[tokio::test]
async fn a_hostile_host_or_query_does_no_harm() {
    let gateway = gateway();
    for host in ["a b", "999.999.999.999", "user@host", "[::1", "", "x\u{e9}"] {
        let peer = SocketAddr::from(([192, 0, 2, 7], 4_711));
        let request = Request::get("/echo/1").header("host", host).body(Body::empty()).unwrap();
        let status = gateway.handle(request, peer).await.status().as_u16();
        assert!(matches!(status, 400 | 500), "{host}: {status}");
    }
    for path in ["/echo/%ff", "/echo/a%3Fb%23c", "/echo/%00", "/echo/1?%", "/echo/1?a=%zz&&&="] {
        let status = get_path(&gateway, path).await.status();
        assert_ne!(status, 500, "{path}");
    }
}

#[tokio::test]
async fn local_routes_stand_beside_the_api() {
    let functions = BTreeMap::from([("One".to_owned(), function(router()))]);
    let pages = Router::new().route("/dev/mail", get(async || "mail"));
    let clock = crate::clock::system_clock();
    let gateway = Gateway::new(&template(TEMPLATE), functions, Some(pages), clock).unwrap();
    let response = get_path(&gateway, "/dev/mail").await;
    assert_eq!(response.body(), "mail");
    assert!(!response.headers().contains_key("ratelimit"));
    assert_eq!(get_path(&gateway, "/dev/none").await.status(), 404);
}

#[test]
fn template_and_code_must_match() {
    let build = |functions| Gateway::new(&template(TEMPLATE), functions, None, Arc::new(|| 0));
    assert_eq!(
        build(BTreeMap::new()).unwrap_err().to_string(),
        "template.yaml: One: no code is given for this function"
    );
    let both = ["One", "Two"].map(|id| (id.to_owned(), function(router())));
    assert_eq!(
        build(BTreeMap::from(both)).unwrap_err().to_string(),
        "template.yaml: no function is called Two"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a server runs beside its test")]
async fn it_is_served_until_it_is_told_to_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(gateway().serve(listener, async {
        let _ = stopped.await;
    }));
    let client = reqwest::Client::new();
    let get = |path: &str| client.get(format!("http://{address}{path}")).send();

    let answer = get("/echo/1?q=%20").await.unwrap();
    assert_eq!(answer.status(), 200);
    let body: Json = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    assert_eq!(body["sourceIp"], "127.0.0.1");
    let head = client.head(format!("http://{address}/echo/1")).send().await.unwrap();
    assert_eq!(head.text().await.unwrap(), "");

    let running = get("/slow");
    let (answer, ()) = tokio::join!(running, async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.send(()).unwrap();
    });
    assert_eq!(answer.unwrap().status(), 503, "the running request is answered");
    server.await.unwrap();
    assert!(get("/echo/1").await.is_err(), "nobody listens any more");
}
