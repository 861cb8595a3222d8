//! Every operation, with a proof that is too old, and in a session that is for setting up a second factor.

use std::collections::BTreeSet;

use nexo_tests::{Answer, Nexo, project};
use serde_json::{Value, json};

use super::api::{Operation, operations};
use super::guarded;

/// The operations that a section of docs/PERMISSIONS.md lists.
fn listed(section: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(project().join("docs/PERMISSIONS.md")).unwrap();
    let (_, rest) = text.split_once(&format!("## {section}\n")).expect("the section");
    let section = rest.split("\n## ").next().unwrap();
    let items = section.lines().filter_map(|line| line.strip_prefix("- `")?.strip_suffix('`'));
    items.map(str::to_owned).collect()
}

async fn described(nexo: &Nexo, is_meant: fn(&Operation) -> bool) -> BTreeSet<String> {
    operations(nexo).await.iter().filter(|one| is_meant(one)).map(Operation::name).collect()
}

/// The id of nothing, of which it does not matter what it would be of.
const NOTHING: &str = "ses_01ARZ3NDEKTSV4RRFFQ69G5FAV";

#[tokio::test]
async fn where_a_recent_proof_is_asked_for_an_old_one_is_refused() {
    let nexo = Nexo::start().await;
    assert_eq!(listed("A recent proof"), described(&nexo, |operation| operation.is_recent).await);
    for operation in guarded(&nexo).await {
        let company = nexo.register().await;
        let call =
            || operation.with_example(company.request(operation.method.clone(), &operation.at(NOTHING)));
        nexo.clock.advance((nexo_identity::RECENT_SECONDS + 1) * 1000);
        let old = Answer::of(call()).await;
        if operation.is_recent {
            old.assert_problem(403, "step_up_required");
            let body = json!({"password": nexo_tests::PASSWORD});
            assert_eq!(company.post("/api/auth/step-up", &body).await.status, 204);
        }
        let recent = if operation.is_recent { Answer::of(call()).await } else { old };
        assert_ne!(recent.body["code"], "step_up_required", "{}: {recent:?}", operation.name());
    }
}

#[tokio::test]
async fn who_must_set_up_a_second_factor_can_do_that_and_nothing_else() {
    let nexo = Nexo::start().await;
    assert_eq!(
        listed("Before a second factor is set up"),
        described(&nexo, |operation| operation.is_for_setup).await
    );
    for operation in guarded(&nexo).await {
        let mut company = nexo.register().await;
        let asked = company.patch("/api/account", &json!({"mfaRequired": true})).await;
        assert_eq!(asked.status, 200, "{asked:?}");
        company.log_in().await;
        let request = company.request(operation.method.clone(), &operation.at(NOTHING));
        let answer = Answer::of(operation.with_example(request)).await;
        let refused = answer.body["code"] == "mfa_setup_required";
        assert_eq!(refused, !operation.is_for_setup, "{}: {answer:?}", operation.name());
        if refused {
            answer.assert_problem(403, "mfa_setup_required");
            assert_eq!(answer.body["current"], Value::Null);
        }
    }
}
