//! A password's hash that was made in an older way is made anew by the next login.

use nexo_domain::Email;
use nexo_local::{FailNth, Fault};
use nexo_tenant_key::DirectoryKey;
use nexo_tests::{Nexo, PASSWORD};
use serde_json::{Value, json};

use super::{get_as, log_in, refresh, text};

/// Hashes of [`PASSWORD`] with less memory and passes, more lanes, another algorithm, an older version,
/// and a shorter output.
const OLD: [&str; 5] = [
    "$argon2id$v=19$m=8192,t=1,p=1$b2xkZXIgcGFyYW1ldGVycw$azqIhMm0ys7EbhEwTmvfyOgpFOaBcT5t5tFM5kYB65I",
    "$argon2id$v=19$m=19456,t=2,p=2$b2xkZXIgcGFyYW1ldGVycw$/mBswJj1alM/y9kS7MUfibSzwTXg7jx9Ub3s4WzbfD8",
    "$argon2i$v=19$m=19456,t=2,p=1$b2xkZXIgcGFyYW1ldGVycw$P7gcWDy1DpqQA/U7NRaaI7AB0SlPOW+7ScgPKjY3hd0",
    "$argon2id$v=16$m=19456,t=2,p=1$b2xkZXIgcGFyYW1ldGVycw$G/eDchDBWVe17jQ8zNkdjuIGkCIXt1pOgZOl7LZ7hOI",
    "$argon2id$v=19$m=19456,t=2,p=1$b2xkZXIgcGFyYW1ldGVycw$hlVI9JKUfzU+Pk6o2BRD0Q",
];

/// One call about the login of `email`, under the function's own role.
async fn of_login(nexo: &Nexo, email: &str, operation: &str, mut body: Value) -> Value {
    let key = DirectoryKey::login(&email.parse::<Email>().unwrap());
    body["TableName"] = json!(nexo.table_name());
    body["Key"] = json!({"pk": {"S": key.partition()}, "sk": {"S": key.sort()}});
    let (status, answer) =
        nexo.table_call(Some(&nexo.function_token("AuthFunction")), operation, &body).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn hash(nexo: &Nexo, email: &str) -> String {
    let answer = of_login(nexo, email, "GetItem", json!({"ConsistentRead": true})).await;
    answer["Item"]["passwordHash"]["S"].as_str().unwrap().to_owned()
}

async fn set_hash(nexo: &Nexo, email: &str, hash: &str) {
    let change = json!({
        "UpdateExpression": "SET passwordHash = :hash",
        "ExpressionAttributeValues": {":hash": {"S": hash}},
    });
    of_login(nexo, email, "UpdateItem", change).await;
}

#[tokio::test]
async fn a_login_renews_an_older_hash_once_and_at_no_further_call() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (first, calls) = nexo.calls_of(log_in(&nexo, &company.email, PASSWORD)).await;
    assert_eq!(first.status, 200, "{first:?}");
    for old in OLD {
        set_hash(&nexo, &company.email, old).await;
        log_in(&nexo, &company.email, "not the right password")
            .await
            .assert_problem(401, "invalid_credentials");
        assert_eq!(hash(&nexo, &company.email).await, old, "a failed login changes nothing");
        let (answer, renewing) = nexo.calls_of(log_in(&nexo, &company.email, PASSWORD)).await;
        assert_eq!(answer.status, 200, "{old}: {answer:?}");
        assert_eq!(renewing.len(), calls.len(), "{renewing:?}");
        let renewed = hash(&nexo, &company.email).await;
        assert!(renewed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{renewed}");
        assert_ne!(renewed, old);
        let again = log_in(&nexo, &company.email, PASSWORD).await;
        assert_eq!((again.status.as_u16(), hash(&nexo, &company.email).await), (200, renewed));
        log_in(&nexo, &company.email, "not the right password")
            .await
            .assert_problem(401, "invalid_credentials");
        assert_eq!(get_as(&nexo, text(&answer.body, "accessToken"), "/api/auth/profile").await.status, 200);
    }
    // The sessions from before go on.
    assert_eq!(company.get("/api/auth/profile").await.status, 200);
    assert_eq!(refresh(&nexo, company.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn logins_at_once_all_succeed_and_one_hash_stays() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    set_hash(&nexo, &company.email, OLD[0]).await;
    let answers = futures::future::join_all((0..4).map(|_| log_in(&nexo, &company.email, PASSWORD))).await;
    for answer in answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(get_as(&nexo, text(&answer.body, "accessToken"), "/api/auth/profile").await.status, 200);
    }
    assert_ne!(hash(&nexo, &company.email).await, OLD[0]);
    assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_login_whose_answers_are_lost_renews_the_hash_all_the_same() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (_, calls) = nexo.calls_of(log_in(&nexo, &company.email, PASSWORD)).await;
    for n in 1..=u64::try_from(calls.len()).unwrap() {
        set_hash(&nexo, &company.email, OLD[0]).await;
        nexo.door().faults().arm([FailNth { n, how: Fault::AfterExecution }]);
        let answer = log_in(&nexo, &company.email, PASSWORD).await;
        nexo.door().faults().disarm();
        assert_eq!(answer.status, 200, "{n}: {answer:?}");
        assert_ne!(hash(&nexo, &company.email).await, OLD[0], "{n}");
        assert_eq!(log_in(&nexo, &company.email, PASSWORD).await.status, 200, "{n}");
    }
}

#[tokio::test]
async fn a_renewal_that_meets_another_write_does_not_fail_the_login() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (_, calls) = nexo.calls_of(log_in(&nexo, &company.email, PASSWORD)).await;
    let before = calls.iter().position(|call| call.operation == "TransactWriteItems").unwrap();
    set_hash(&nexo, &company.email, OLD[0]).await;
    let n = u64::try_from(before).unwrap() + 1;
    nexo.door().faults().arm([FailNth { n, how: Fault::TransactionConflict }]);
    let answer = log_in(&nexo, &company.email, PASSWORD).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(get_as(&nexo, text(&answer.body, "accessToken"), "/api/auth/profile").await.status, 200);
    assert_ne!(hash(&nexo, &company.email).await, OLD[0]);
}
