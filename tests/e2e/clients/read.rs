//! `GET /api/clients/{id}`.

use nexo_tests::{Answer, Nexo};
use reqwest::Method;
use serde_json::json;

use super::path;

#[tokio::test]
async fn a_client_that_has_not_changed_is_not_sent_again() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.client("Acme").await;
    let path = path(&client);
    let ask = async |etags: &str| {
        Answer::of(company.request(Method::GET, &path).header("if-none-match", etags)).await
    };
    for etags in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let answer = ask(etags).await;
        assert_eq!((answer.status.as_u16(), answer.header("etag")), (304, "\"1\""), "{etags}");
        assert!(answer.body.is_null(), "{answer:?}");
    }
    for etags in ["\"2\"", "1", "\"11\"", ""] {
        let answer = ask(etags).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (200, &client), "{etags}");
    }
    company.patch(&path, &json!({"status": "active"})).await;
    let answer = ask("\"1\"").await;
    assert_eq!((answer.status.as_u16(), answer.header("etag")), (200, "\"2\""));
    assert_eq!(answer.body["status"], "active");
}

#[tokio::test]
async fn an_id_that_names_nothing_is_not_found_whatever_its_form() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.client("Acme").await;
    let known = path(&client);
    let ulid = &client["id"].as_str().unwrap()[4..];
    let mut answers = Vec::new();
    for id in [
        "cli_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "cli_",
        "x",
        "cli_01ARZ3NDEKTSV4RRFFQ69G5FAV0",
        "%20",
        "..%2f..%2fauth",
        "cli_%00",
        ulid,
        &format!("usr_{ulid}"),
        &format!("CLI_{ulid}"),
    ] {
        let path = format!("/api/clients/{id}");
        for (method, body) in [
            (Method::GET, None),
            (Method::DELETE, None),
            (Method::PUT, Some(json!({"name": "x"}))),
            (Method::PATCH, Some(json!({"name": "x"}))),
        ] {
            let request = company.request(method, &path);
            let answer = Answer::of(match &body {
                Some(body) => request.json(body),
                None => request,
            });
            answers.push((path.clone(), answer.await));
        }
        answers.push((path.clone(), company.post(&format!("{path}/restore"), &json!({})).await));
    }
    for (path, answer) in answers {
        assert_eq!(answer.status, 404, "{path}");
        answer.assert_problem(404, "not_found");
        assert_eq!(answer.body["detail"], "There is nothing at this address.");
    }
    assert_eq!(company.get(&known).await.body, client);
}

#[tokio::test]
async fn an_id_is_read_in_the_one_form_it_is_given() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.client("Acme").await;
    let id = client["id"].as_str().unwrap();
    let lower = format!("cli_{}", id[4..].to_lowercase());
    let answer = company.get(&format!("/api/clients/{lower}")).await;
    // Either form is fine, as long as no two records answer to it.
    assert!(answer.status == 404 || answer.body == client, "{answer:?}");
}
