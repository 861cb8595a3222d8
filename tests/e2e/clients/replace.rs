//! `PUT /api/clients/{id}`, and `If-Match` on every write.

use nexo_tests::{Answer, Nexo};
use reqwest::Method;
use serde_json::{Value, json};

use super::{errors, full, path};

#[tokio::test]
async fn replacing_resets_what_is_not_given() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let created = company.post("/api/clients", &full()).await.body;
    nexo.clock.advance(5_000);
    let bare = company.client("Bare").await;
    let answer = company.put(&path(&created), &json!({"name": "Engines"})).await;
    assert_eq!((answer.status.as_u16(), answer.header("etag")), (200, "\"2\""), "{answer:?}");
    let mut wanted = bare;
    for kept in ["id", "createdAt", "createdBy"] {
        wanted[kept] = created[kept].clone();
    }
    wanted["name"] = json!("Engines");
    wanted["version"] = json!(2);
    wanted["ownerId"] = Value::Null;
    wanted["updatedAt"] = answer.body["updatedAt"].clone();
    assert_eq!(answer.body, wanted);
    assert!(answer.body["updatedAt"].as_str() > created["updatedAt"].as_str());
    assert_eq!(company.get(&path(&created)).await.body, wanted);
}

#[tokio::test]
async fn replacing_with_what_is_there_changes_the_version_only() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let created = company.post("/api/clients", &full()).await.body;
    let mut given = full();
    given["ownerId"] = created["ownerId"].clone();
    let answer = company.put(&path(&created), &given).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for (name, value) in created.as_object().unwrap() {
        if !["version", "updatedAt"].contains(&name.as_str()) {
            assert_eq!(&answer.body[name], value, "{name}");
        }
    }
    assert_eq!(answer.body["version"], 2);
}

#[tokio::test]
async fn replacing_takes_what_creating_takes() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let created = company.client("Acme").await;
    let refused = company.put(&path(&created), &json!({"status": "gone", "version": 4})).await;
    refused.assert_problem(422, "validation_failed");
    let wanted =
        errors(&[("/name", "required"), ("/status", "invalid_choice"), ("/version", "unknown_field")]);
    assert_eq!(refused.field_errors(), wanted);
    let twice = json!({"name": "Acme", "emails": [{"value": "a@b.example"}, {"value": "a@b.example"}]});
    let refused = company.put(&path(&created), &twice).await;
    assert_eq!(refused.field_errors(), errors(&[("/emails/1/value", "duplicate")]));
    assert_eq!(company.get(&path(&created)).await.body, created);
}

#[tokio::test]
async fn a_write_to_a_stale_version_answers_the_current_record() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let created = company.client("Acme").await;
    let path = path(&created);
    let current = company.patch(&path, &json!({"status": "active"})).await.body;
    let write = async |method: Method, if_match: &str, body: Option<Value>| {
        let request = company.request(method, &path).header("if-match", if_match);
        Answer::of(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await
    };
    for (method, body) in [
        (Method::PUT, Some(json!({"name": "Other"}))),
        (Method::PATCH, Some(json!({"name": "Other"}))),
        // Judged with the rest of the record.
        (Method::PATCH, Some(json!({"taxId": "1"}))),
        (Method::PUT, Some(json!({"name": "Acme", "taxId": "1"}))),
        (Method::DELETE, None),
    ] {
        for if_match in ["\"1\"", "\"3\""] {
            let answer = write(method.clone(), if_match, body.clone()).await;
            answer.assert_problem(412, "stale_version");
            assert_eq!(answer.body["current"], current, "{method}");
        }
        for if_match in ["1", "\"x\"", "W/\"2\"", "\"1\", \"2\"", "\"-1\""] {
            write(method.clone(), if_match, body.clone()).await.assert_problem(400, "malformed_request");
        }
    }
    assert_eq!(company.get(&path).await.body, current);

    let put = write(Method::PUT, "\"2\"", Some(json!({"name": "Second"}))).await;
    assert_eq!((put.status.as_u16(), put.header("etag")), (200, "\"3\""));
    let patch = write(Method::PATCH, "\"3\"", Some(json!({"taxId": "7"}))).await;
    assert_eq!((patch.status.as_u16(), patch.header("etag")), (200, "\"4\""));
    let any = write(Method::PATCH, "*", Some(json!({"name": "Third"}))).await;
    assert_eq!((any.status.as_u16(), any.header("etag")), (200, "\"5\""));
    assert_eq!(write(Method::DELETE, "\"5\"", None).await.status, 204);
    write(Method::PUT, "\"5\"", Some(json!({"name": "Fourth"}))).await.assert_problem(404, "not_found");
    write(Method::PATCH, "\"6\"", Some(json!({"name": "Fourth"}))).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn of_writers_that_read_the_same_version_one_succeeds() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let created = company.client("Acme").await;
    let path = path(&created);
    let writes = (0..10).map(|n| {
        let request = company.request(Method::PUT, &path).header("if-match", "\"1\"");
        Answer::of(request.json(&json!({"name": format!("Acme {n}")})))
    });
    let answers = futures::future::join_all(writes).await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(done.len(), 1, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.assert_problem(412, "stale_version");
        assert_eq!(answer.body["current"], done[0].body);
    }
    assert_eq!(company.get(&path).await.body, done[0].body);
}
