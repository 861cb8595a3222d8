//! `DELETE /api/clients/{id}` and `POST /api/clients/{id}/restore`.

use nexo_tests::Nexo;
use serde_json::{Value, json};

use super::{full, path};

const DAY: i64 = 24 * 3600 * 1000;

#[tokio::test]
async fn a_deleted_client_is_nowhere() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.post("/api/clients", &full()).await.body;
    let kept = company.client("Kept").await;
    let path = path(&client);
    let deleted = company.delete(&path).await;
    assert_eq!((deleted.status.as_u16(), &deleted.body), (204, &Value::Null));
    for sort in ["name", "createdAt", "updatedAt", "-name", "-createdAt", "-updatedAt"] {
        let list = company.get(&format!("/api/clients?sort={sort}")).await;
        assert_eq!(list.body, json!({"data": [kept], "nextCursor": null}), "{sort}");
    }
    for filter in
        ["tag=vip", "q=analytical", "status=prospect", "industry=Machines", "q=analytical&sort=name"]
    {
        let list = company.get(&format!("/api/clients?{filter}")).await;
        assert_eq!(list.body["data"], json!([]), "{filter}");
    }
    company.get(&path).await.assert_problem(404, "not_found");
    company.put(&path, &json!({"name": "x"})).await.assert_problem(404, "not_found");
    company.patch(&path, &json!({"name": "x"})).await.assert_problem(404, "not_found");
    company.patch(&path, &json!({"taxId": "x"})).await.assert_problem(404, "not_found");
    company.put(&path, &json!({"name": "x", "taxId": "new"})).await.assert_problem(404, "not_found");
    company.delete(&path).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn a_restored_client_is_back_in_every_list() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.post("/api/clients", &full()).await.body;
    let path = path(&client);
    company.delete(&path).await;
    nexo.clock.advance(1000);
    let restored = company.post(&format!("{path}/restore"), &json!({})).await;
    assert_eq!((restored.status.as_u16(), restored.header("etag")), (200, "\"3\""), "{restored:?}");
    let mut wanted = client;
    wanted["version"] = json!(3);
    wanted["updatedAt"] = restored.body["updatedAt"].clone();
    assert_eq!(restored.body, wanted);
    assert_eq!(company.get(&path).await.body, wanted);
    for query in
        ["sort=name", "sort=createdAt", "sort=-updatedAt", "tag=vip", "q=ANALYTICAL", "status=prospect"]
    {
        let list = company.get(&format!("/api/clients?{query}")).await;
        assert_eq!(list.body["data"], json!([wanted]), "{query}");
    }
    // What was claimed is claimed again.
    let taken = company.post("/api/clients", &full()).await;
    taken.assert_problem(409, "already_exists");
    // And it can be changed and deleted as before.
    assert_eq!(company.patch(&path, &json!({"name": "Again"})).await.body["version"], 4);
    assert_eq!(company.delete(&path).await.status, 204);
}

#[tokio::test]
async fn only_what_is_deleted_can_be_restored() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.client("Acme").await;
    let restore = format!("{}/restore", path(&client));
    company.post(&restore, &json!({})).await.assert_problem(404, "not_found");
    company.delete(&path(&client)).await;
    // A restore needs no body.
    let answer = nexo_tests::Answer::of(company.request(reqwest::Method::POST, &restore)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    company.post(&restore, &json!({})).await.assert_problem(404, "not_found");
    let unknown = "/api/clients/cli_01ARZ3NDEKTSV4RRFFQ69G5FAV/restore";
    company.post(unknown, &json!({})).await.assert_problem(404, "not_found");
}

#[tokio::test]
async fn restoring_is_refused_while_another_has_the_tax_id() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let first = company.post("/api/clients", &json!({"name": "First", "taxId": "77"})).await.body;
    company.delete(&path(&first)).await;
    let second = company.post("/api/clients", &json!({"name": "Second", "taxId": "77"})).await.body;
    let restore = format!("{}/restore", path(&first));
    let refused = company.post(&restore, &json!({})).await;
    refused.assert_problem(409, "already_exists");
    assert_eq!(refused.field_errors(), super::errors(&[("/taxId", "taken")]));
    company.get(&path(&first)).await.assert_problem(404, "not_found");
    company.patch(&path(&second), &json!({"taxId": null})).await;
    assert_eq!(company.post(&restore, &json!({})).await.status, 200);
    let taken = company.patch(&path(&second), &json!({"taxId": "77"})).await;
    taken.assert_problem(409, "already_exists");
}

#[tokio::test]
async fn of_deletes_and_restores_at_once_one_each_succeeds() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.post("/api/clients", &json!({"name": "Acme", "taxId": "1"})).await.body;
    let path = path(&client);
    let deletes = futures::future::join_all((0..8).map(|_| company.delete(&path))).await;
    assert_eq!(deletes.iter().filter(|answer| answer.status == 204).count(), 1, "{deletes:?}");
    for refused in deletes.iter().filter(|answer| answer.status != 204) {
        refused.assert_problem(404, "not_found");
    }
    let restore = format!("{path}/restore");
    let (none, restore) = (json!({}), &restore);
    let restores = futures::future::join_all((0..8).map(|_| company.post(restore, &none))).await;
    assert_eq!(restores.iter().filter(|answer| answer.status == 200).count(), 1, "{restores:?}");
    for refused in restores.iter().filter(|answer| answer.status != 200) {
        assert!([404, 409].contains(&refused.status.as_u16()), "{refused:?}");
    }
    assert_eq!(company.get(&path).await.body["version"], 3);
}

#[tokio::test]
async fn a_deleted_client_can_be_restored_for_thirty_days() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let client = company.client("Acme").await;
    let restore = format!("{}/restore", path(&client));
    company.delete(&path(&client)).await;
    nexo.clock.advance(29 * DAY);
    company.log_in().await;
    assert_eq!(company.post(&restore, &json!({})).await.status, 200);
    company.delete(&path(&client)).await;
    nexo.clock.advance(30 * DAY + 1000);
    company.log_in().await;
    // Whether or not the table has removed it already.
    company.post(&restore, &json!({})).await.assert_problem(404, "not_found");
}
