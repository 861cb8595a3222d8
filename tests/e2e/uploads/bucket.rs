//! The bucket itself: what the signed addresses allow, and nothing besides.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use futures::future::join_all;
use nexo_local::LocalIssuer;
use nexo_tests::table::ulid;
use nexo_tests::{Company, Nexo};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{PDF, announced, download, refusal, s3, status};

/// An upload's request with one header changed.
fn with_header(upload: &Value, name: &str, value: &str) -> Value {
    let mut upload = upload.clone();
    upload["headers"][name] = json!(value);
    upload
}

#[tokio::test]
async fn only_what_was_announced_is_taken() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    let upload = &file["upload"];
    let other = b"%PDF-1.5\n".to_vec();
    for (what, upload, bytes, expected) in [
        (
            "another length",
            with_header(upload, "content-length", "4"),
            b"%PDF".to_vec(),
            "SignatureDoesNotMatch",
        ),
        (
            "another type",
            with_header(upload, "content-type", "text/html"),
            PDF.to_vec(),
            "SignatureDoesNotMatch",
        ),
        (
            "another checksum",
            with_header(upload, "x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
            PDF.to_vec(),
            "SignatureDoesNotMatch",
        ),
        ("other bytes", upload.clone(), other, "BadDigest"),
        ("no condition", with_header(upload, "if-none-match", ""), PDF.to_vec(), "SignatureDoesNotMatch"),
        // Signed by nobody: a copy of another object would be one of these.
        (
            "a header of S3's that was not signed",
            with_header(upload, "x-amz-copy-source", "nexo-files-00000000-0000-0000-0000-000000000000/a/b"),
            PDF.to_vec(),
            "AccessDenied",
        ),
    ] {
        let (status, code) = refusal(nexo.put_object(&upload, bytes).await).await;
        assert_eq!(code, expected, "{what}");
        assert!([400, 403].contains(&status), "{what}: {status}");
    }
    // Nothing of it is there, and the address is still good.
    assert_eq!(status(&nexo, &company, &file).await.0, "pending");
    company.upload(&file, PDF).await;
}

#[tokio::test]
async fn an_address_takes_one_upload_however_many_come_at_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    let answers = join_all((0..16).map(|_| nexo.put_object(&file["upload"], PDF.to_vec()))).await;
    let taken = answers.iter().filter(|answer| answer.status() == StatusCode::OK).count();
    assert_eq!(taken, 1);
    for answer in answers.into_iter().filter(|answer| answer.status() != StatusCode::OK) {
        assert_eq!(refusal(answer).await, (412, "PreconditionFailed".to_owned()));
    }
    assert_eq!(status(&nexo, &company, &file).await.0, "available");
}

#[tokio::test]
async fn an_address_ends() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (early, late) = (announced(&company, "a.pdf").await, announced(&company, "b.pdf").await);
    company.upload(&early, PDF).await;
    let got = download(&company, &early).await.body;
    nexo.clock.advance(5 * 60 * 1000 + 1000);
    assert_eq!(
        refusal(reqwest::get(got["url"].as_str().unwrap()).await.unwrap()).await,
        (403, "AccessDenied".to_owned())
    );
    nexo.clock.advance(10 * 60 * 1000);
    assert_eq!(
        refusal(nexo.put_object(&late["upload"], PDF.to_vec()).await).await,
        (403, "AccessDenied".to_owned())
    );
    // Another one is good.
    company.log_in().await;
    company.upload(&announced(&company, "c.pdf").await, PDF).await;
}

#[tokio::test]
async fn an_address_cannot_be_made_into_another() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let (file, theirs) = (announced(&own, "a.pdf").await, announced(&other, "b.pdf").await);
    own.upload(&file, PDF).await;
    other.upload(&theirs, PDF).await;
    let url = download(&own, &file).await.body["url"].as_str().unwrap().to_owned();
    let swap = |from: &str, to: &str| {
        assert!(url.contains(from), "{from} is not in {url}");
        url.replace(from, to)
    };
    let mine = ulid(file["id"].as_str().unwrap());
    let signature = url.split_once("X-Amz-Signature=").unwrap().1[..8].to_owned();
    for tampered in [
        swap(&own.account(), &other.account()).replace(mine, ulid(theirs["id"].as_str().unwrap())),
        swap(mine, ulid(theirs["id"].as_str().unwrap())),
        swap("X-Amz-Expires=300", "X-Amz-Expires=604800"),
        swap(&signature, "00000000"),
        swap("a.pdf", "a.exe"),
        format!("{url}&response-content-type=text%2Fhtml"),
        format!("{url}&X-Amz-Expires=604800"),
        url.split_once('?').unwrap().0.to_owned(),
    ] {
        let (status, code) = refusal(reqwest::get(&tampered).await.unwrap()).await;
        assert_eq!(status, 403, "{code}: {tampered}");
    }
    // Nor is it good for anything but a GET.
    let http = reqwest::Client::new();
    for method in [Method::PUT, Method::HEAD, Method::DELETE, Method::POST] {
        let answer = http.request(method.clone(), &url).send().await.unwrap();
        assert!([403, 501].contains(&answer.status().as_u16()), "{method}: {answer:?}");
    }
    assert_eq!(reqwest::get(&url).await.unwrap().status(), StatusCode::OK);
}

/// An S3 client with an account's credentials, as wrong code of a function would have.
pub(super) async fn client(nexo: &Nexo, company: &Company<'_>) -> Client {
    client_of(nexo, company, "UploadsFunction").await
}

pub(super) async fn client_of(nexo: &Nexo, company: &Company<'_>, function: &str) -> Client {
    let environment = nexo.server().environment(function, "http://door.invalid").unwrap();
    let role = &environment["NEXO_TENANT_ROLE_ARN"];
    let (secret, token) = nexo.credentials(&environment["AWS_SESSION_TOKEN"], role, &company.account()).await;
    s3(nexo, secret, token)
}

#[tokio::test]
async fn an_import_reads_its_accounts_files_and_writes_none() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let bucket = nexo.server().template().bucket.as_ref().unwrap().name.clone();
    let client = client_of(&nexo, &own, "ImporterFunction").await;
    for (company, is_readable) in [(&own, true), (&other, false)] {
        let (file, pending) = (announced(company, "a.pdf").await, announced(company, "b.pdf").await);
        company.upload(&file, PDF).await;
        let key = |file: &Value| format!("a/{}/{}", company.account(), ulid(file["id"].as_str().unwrap()));
        let read = client.get_object().bucket(&bucket).key(key(&file)).send().await;
        assert_eq!(read.is_ok(), is_readable, "{read:?}");
        let put = client.put_object().bucket(&bucket).key(key(&pending)).if_none_match("*");
        let put = put.body(PDF.to_vec().into()).send().await;
        assert_eq!(put.unwrap_err().raw_response().unwrap().status().as_u16(), 403);
    }
}

#[tokio::test]
async fn credentials_of_an_account_reach_its_own_objects_and_no_others() {
    let nexo = Nexo::start().await;
    let (own, other) = (nexo.register().await, nexo.register().await);
    let theirs = announced(&other, "b.pdf").await;
    other.upload(&theirs, PDF).await;
    let pending = announced(&other, "c.pdf").await;
    let bucket = nexo.server().template().bucket.as_ref().unwrap().name.clone();
    let client = client(&nexo, &own).await;
    let soon = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let of = |company: &Company<'_>, file: &Value| {
        format!("a/{}/{}", company.account(), ulid(file["id"].as_str().unwrap()))
    };
    let http = reqwest::Client::new();
    let account = own.account();
    for key in
        [of(&other, &theirs), of(&other, &pending), format!("a/{account}x/y"), "a/x".into(), "x".into()]
    {
        let get = client.get_object().bucket(&bucket).key(&key).presigned(soon.clone()).await.unwrap();
        assert_eq!(
            refusal(reqwest::get(get.uri()).await.unwrap()).await,
            (403, "AccessDenied".into()),
            "{key}"
        );
        let put = client.put_object().bucket(&bucket).key(&key).if_none_match("*");
        let put = put.presigned(soon.clone()).await.unwrap();
        let mut request = http.put(put.uri()).body(PDF);
        for (name, value) in put.headers() {
            request = request.header(name, value);
        }
        assert_eq!(refusal(request.send().await.unwrap()).await, (403, "AccessDenied".into()), "{key}");
    }
    // Its own: new ones, and none twice.
    let key = format!("a/{account}/own");
    let put = || client.put_object().bucket(&bucket).key(&key).body(PDF.to_vec().into());
    assert!(put().send().await.is_err(), "without a condition");
    put().if_none_match("*").send().await.unwrap();
    assert!(put().if_none_match("*").send().await.is_err(), "twice");
    let got = client.get_object().bucket(&bucket).key(&key).send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), PDF);
    // It neither lists nor deletes, not even its own.
    assert!(client.list_objects_v2().bucket(&bucket).prefix(format!("a/{account}/")).send().await.is_err());
    assert!(client.list_object_versions().bucket(&bucket).send().await.is_err());
    assert!(client.delete_object().bucket(&bucket).key(&key).send().await.is_err());
    assert!(client.delete_object().bucket(&bucket).key(&key).version_id("x").send().await.is_err());
    let got = client.get_object().bucket(&bucket).key(&key).send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().to_vec(), PDF);
    // Who may not list is not told what is there and what is not.
    let absent = client.get_object().bucket(&bucket).key(format!("a/{account}/none")).send().await;
    assert_eq!(absent.unwrap_err().raw_response().unwrap().status().as_u16(), 403);
}

#[tokio::test]
async fn a_signature_of_another_key_is_refused() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    let url = file["upload"]["url"].as_str().unwrap();
    // A token that another issuer made, in an address that is right otherwise.
    let caller = nexo_local::CallerIdentity::Tenant {
        role: "FilesTenantRole".into(),
        account: company.account(),
        expires_at_ms: u64::MAX,
    };
    let token = LocalIssuer::random().unwrap().seal(&caller).unwrap();
    let (before, rest) = url.split_once("X-Amz-Security-Token=").unwrap();
    let after = rest.split_once('&').map_or(String::new(), |(_, after)| format!("&{after}"));
    let mut upload = file["upload"].clone();
    upload["url"] = json!(format!("{before}X-Amz-Security-Token={token}{after}"));
    assert_eq!(refusal(nexo.put_object(&upload, PDF.to_vec()).await).await, (403, "InvalidToken".to_owned()));
}

#[tokio::test]
async fn the_portal_and_no_other_page_may_use_it() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = announced(&company, "a.pdf").await;
    let url = file["upload"]["url"].as_str().unwrap();
    let http = reqwest::Client::new();
    let preflight = async |origin: &str, method: &str| {
        let request = http.request(Method::OPTIONS, url).header("origin", origin);
        request.header("access-control-request-method", method).send().await.unwrap()
    };
    let answer = preflight("http://localhost:3000", "PUT").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], "http://localhost:3000");
    assert!(
        answer.headers()["access-control-allow-headers"].to_str().unwrap().contains("x-amz-checksum-sha256")
    );
    for (origin, method) in [("https://evil.example", "PUT"), ("http://localhost:3000", "DELETE")] {
        assert_eq!(preflight(origin, method).await.status(), StatusCode::FORBIDDEN, "{origin} {method}");
    }
    let mut request = http.put(url).header("origin", "http://localhost:3000").body(PDF);
    for (name, value) in file["upload"]["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["access-control-allow-origin"], "http://localhost:3000");
}
