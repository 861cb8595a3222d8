//! From the announcement to the download.

use nexo_tests::Nexo;
use nexo_tests::table::ulid;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{PDF, announced, announcement, download, path, sha256, status};

#[tokio::test]
async fn what_was_announced_can_be_uploaded_and_then_downloaded() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let file = announced(&company, "Contract.pdf").await;
    assert_eq!(file["status"], "pending");
    assert_eq!(file["upload"]["method"], "PUT");
    let headers = file["upload"]["headers"].as_object().unwrap();
    let names: Vec<_> = headers.keys().map(String::as_str).collect();
    assert_eq!(names, ["content-length", "content-type", "if-none-match", "x-amz-checksum-sha256"]);
    download(&company, &file).await.assert_problem(409, "conflict");

    let answer = nexo.put_object(&file["upload"], PDF.to_vec()).await;
    assert_eq!(answer.status(), StatusCode::OK, "{:?}", answer.text().await);
    assert_eq!(status(&nexo, &company, &file).await, ("available".to_owned(), Value::Null));

    let answer = download(&company, &file).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let got = reqwest::get(answer.body["url"].as_str().unwrap()).await.unwrap();
    assert_eq!(got.status(), StatusCode::OK);
    assert_eq!(got.headers()["content-type"], "application/pdf");
    assert_eq!(
        got.headers()["content-disposition"],
        "attachment; filename=\"Contract.pdf\"; filename*=UTF-8''Contract.pdf"
    );
    assert_eq!(got.bytes().await.unwrap(), PDF);
}

#[tokio::test]
async fn a_name_is_shown_as_it_was_given_and_names_no_object() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let long = format!("{}.pdf", "界".repeat(251));
    for (name, plain, encoded) in [
        ("Angebot \"Süd\".pdf", "Angebot _S_d_.pdf", "Angebot%20%22S%C3%BCd%22.pdf"),
        ("契約書.pdf", "___.pdf", "%E5%A5%91%E7%B4%84%E6%9B%B8.pdf"),
        (&long, &format!("{}.pdf", "_".repeat(251)), &format!("{}.pdf", "%E7%95%8C".repeat(251))),
    ] {
        let file = announced(&company, name).await;
        assert_eq!(file["name"], *name);
        let url = file["upload"]["url"].as_str().unwrap();
        let key = format!("/a/{}/{}?", company.account(), ulid(file["id"].as_str().unwrap()));
        assert!(url.contains(&key), "{url}");
        company.upload(&file, PDF).await;
        let answer = download(&company, &file).await;
        let got = reqwest::get(answer.body["url"].as_str().unwrap()).await.unwrap();
        let expected = format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}");
        assert_eq!(got.headers()["content-disposition"], expected);
    }
    for (name, code) in [
        ("../../etc/passwd", "invalid_file_name"),
        ("C:\\boot.ini", "invalid_file_name"),
        ("..", "invalid_file_name"),
        ("a\u{202e}fdp.exe", "invalid_file_name"),
        ("a\u{61c}b.pdf", "invalid_file_name"),
        ("a\r\nset-cookie: x", "invalid_character"),
        (&"x".repeat(256), "too_long"),
    ] {
        let answer = company.post("/api/uploads", &announcement(name)).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), [("/name".to_owned(), code.to_owned())], "{name:?}");
    }
}

#[tokio::test]
async fn bytes_of_another_type_are_kept_back() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let bytes = b"MZ\x90\0 not a document";
    let mut body = announcement("invoice.pdf");
    body["size"] = json!(bytes.len());
    body["sha256"] = json!(sha256(bytes));
    let file = company.post("/api/uploads", &body).await.body;
    company.upload(&file, bytes).await;
    assert_eq!(status(&nexo, &company, &file).await, ("quarantined".to_owned(), json!("content_differs")));
    download(&company, &file).await.assert_problem(409, "conflict");
}

/// S3 delivers events at least once and in any order, and knows nothing of what became of a file.
#[tokio::test]
async fn an_event_that_comes_twice_late_or_for_nothing_changes_nothing() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let event = |key: &str| {
        let bucket = json!({"name": nexo.server().template().bucket.as_ref().unwrap().name});
        json!({"Records": [{"s3": {"bucket": bucket, "object": {"key": key}}}]}).to_string().into_bytes()
    };
    let key = |id: &str| format!("a/{}/{}", company.account(), ulid(id));
    let told = async |key: &str, said: &str| {
        assert_eq!(nexo.server().invoke("FilesFunction", event(key)).await, Ok(b"null".to_vec()), "{key}");
        assert!(nexo.log().last().unwrap().contains(said), "{key}: {:?}", nexo.log().last());
    };

    let file = announced(&company, "a.pdf").await;
    let id = file["id"].as_str().unwrap();
    // Before its bytes are there, as of an object that is gone again.
    told(&key(id), "object gone").await;
    company.upload(&file, PDF).await;
    let seen = company.get(&path(&file)).await.body;
    assert_eq!((&seen["status"], &seen["version"]), (&json!("available"), &json!(2)));
    told(&key(id), "file finished before").await;
    assert_eq!(company.get(&path(&file)).await.body, seen);

    // After the file was deleted: it stays so, and is what it was when it is restored.
    let late = announced(&company, "b.pdf").await;
    assert_eq!(company.delete(&path(&late)).await.status, 204);
    company.upload(&late, PDF).await;
    company.get(&path(&late)).await.assert_problem(404, "not_found");
    let listed = company.get("/api/uploads?sort=-updatedAt").await.body;
    assert_eq!(listed["data"].as_array().unwrap().len(), 1, "{listed}");
    let restored = company.post(&format!("{}/restore", path(&late)), &json!({})).await;
    assert_eq!((restored.status.as_u16(), &restored.body["status"]), (200, &json!("available")));

    told(&key("fil_01ARZ3NDEKTSV4RRFFQ69G5FAV"), "object without a file").await;
    for key in ["a/x/y", "b/c", "a/../../etc/passwd", "", "%2E%2E", "a+b%zz"] {
        told(key, "object of no account").await;
    }
    // Nor does it depend on the guard: nothing else was even asked for.
    assert_eq!(nexo.door().log().totals().refused, 0);
}
