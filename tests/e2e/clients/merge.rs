//! `PATCH /api/clients/{id}`: RFC 7396.

use nexo_tests::{Answer, Nexo};
use proptest::prelude::*;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{errors, full, path};

#[tokio::test]
async fn absent_stays_null_goes_and_a_value_comes() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut wanted = company.post("/api/clients", &full()).await.body;
    let path = path(&wanted);
    let answer = company
        .patch(
            &path,
            &json!({"name": "Engines", "industry": null, "tags": ["new"], "phones": null, "status": null}),
        )
        .await;
    assert_eq!((answer.status.as_u16(), answer.header("etag")), (200, "\"2\""), "{answer:?}");
    wanted["name"] = json!("Engines");
    wanted["industry"] = Value::Null;
    wanted["tags"] = json!(["new"]);
    wanted["phones"] = json!([]);
    wanted["status"] = json!("lead");
    wanted["version"] = json!(2);
    wanted["updatedAt"] = answer.body["updatedAt"].clone();
    assert_eq!(answer.body, wanted);
    assert_eq!(company.get(&path).await.body, wanted);
    assert_eq!(company.get("/api/clients?q=engines").await.body["data"], json!([wanted]));
}

#[tokio::test]
async fn nested_objects_are_merged_and_arrays_are_replaced() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let created = company.post("/api/clients", &full()).await.body;
    let patch = json!({
        "billingAddress": {"city": "York", "line1": null},
        "shippingAddress": null,
        "annualRevenue": {"amountMinor": 7},
        "emails": [{"value": "only@engines.example"}],
    });
    let merged = company.patch(&path(&created), &patch).await.body;
    assert_eq!(merged["billingAddress"], json!({"city": "York", "country": "GB"}));
    assert_eq!(merged["shippingAddress"], Value::Null);
    assert_eq!(merged["annualRevenue"], json!({"amountMinor": 7, "currency": "EUR"}));
    assert_eq!(merged["emails"], json!([{"value": "only@engines.example", "label": null, "primary": false}]));
    // A nested object that was not there is made.
    let again = company.patch(&path(&created), &json!({"shippingAddress": {"city": "Hull"}})).await;
    assert_eq!(again.body["shippingAddress"], json!({"city": "Hull"}));
}

#[tokio::test]
async fn a_part_of_an_object_must_fit_the_rest_of_it() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let created = company.client("Acme").await;
    for (patch, wanted) in [
        (json!({"annualRevenue": {"amountMinor": 7}}), ("/annualRevenue/currency", "required")),
        (json!({"billingAddress": {"country": "ZZ"}}), ("/billingAddress/country", "invalid_country")),
        (json!({"billingAddress": {"street": "x"}}), ("/billingAddress/street", "unknown_field")),
        (json!({"billingAddress": {"city": null}}), ("/billingAddress", "empty")),
        (json!({"name": {"first": "Ada"}}), ("/name", "invalid_type")),
        (json!({"emails": {"value": "a@b.example"}}), ("/emails", "invalid_type")),
    ] {
        let answer = company.patch(&path(&created), &patch).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), errors(&[wanted]), "{patch}");
    }
    assert_eq!(company.get(&path(&created)).await.body, created);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_patch_is_reported_at_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let created = company.client("Acme").await;
    let patch = json!({
        "name": null, "status": "gone", "tags": "vip", "emails": [{"value": "x"}], "colour": "red",
        "size": null, "version": 9, "id": null, "createdAt": "2026-01-01T00:00:00Z", "parentId": "x",
    });
    let answer = company.patch(&path(&created), &patch).await;
    answer.assert_problem(422, "validation_failed");
    assert_eq!(
        answer.field_errors(),
        errors(&[
            ("/colour", "unknown_field"),
            ("/createdAt", "unknown_field"),
            ("/emails/0/value", "invalid_email"),
            ("/id", "unknown_field"),
            ("/name", "required"),
            ("/parentId", "invalid_id"),
            ("/size", "unknown_field"),
            ("/status", "invalid_choice"),
            ("/tags", "invalid_type"),
            ("/version", "unknown_field"),
        ])
    );
    let rules = json!({"emails": [{"value": "a@b.example", "primary": true}, {"value": "c@d.example", "primary": true}]});
    let answer = company.patch(&path(&created), &rules).await;
    assert_eq!(answer.field_errors(), errors(&[("/emails/1/primary", "more_than_one_primary")]));
    assert_eq!(company.get(&path(&created)).await.body, created);
}

#[tokio::test]
async fn what_is_wrong_inside_an_object_is_reported_with_the_rest() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let client = company.client("Acme").await;
    let patch = json!({
        "name": "", "zz": {"a": 1},
        // Parts: what they lack may be there already.
        "annualRevenue": {"amountMinor": "many"},
        "billingAddress": {"country": "XX", "zip": "1", "city": null},
        "shippingAddress": {"city": null}, "website": {"url": "https://engines.example"},
    });
    let answer = company.patch(&path(&client), &patch).await;
    answer.assert_problem(422, "validation_failed");
    assert_eq!(
        answer.field_errors(),
        errors(&[
            ("/annualRevenue/amountMinor", "invalid_type"),
            ("/billingAddress/country", "invalid_country"),
            ("/billingAddress/zip", "unknown_field"),
            ("/name", "empty"),
            ("/website", "invalid_type"),
            ("/zz", "unknown_field"),
        ])
    );
}

#[tokio::test]
async fn a_patch_comes_in_either_media_type_and_no_other() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let created = company.client("Acme").await;
    let send = async |kind: &str| {
        let request = company.request(Method::PATCH, &path(&created)).header("content-type", kind);
        Answer::of(request.body("{\"status\":\"active\"}")).await
    };
    for kind in ["application/merge-patch+json", "application/json", "application/json; charset=utf-8"] {
        assert_eq!(send(kind).await.status, 200, "{kind}");
    }
    for kind in ["application/json-patch+json", "text/plain", ""] {
        send(kind).await.assert_problem(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn patches_of_different_fields_at_once_are_all_kept() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let path = path(&company.client("Acme").await);
    let patches = [
        json!({"name": "Engines"}),
        json!({"status": "active"}),
        json!({"industry": "Machines"}),
        json!({"tags": ["vip"]}),
        json!({"source": "Fair"}),
    ];
    let answers = futures::future::join_all(patches.iter().map(|patch| company.patch(&path, patch))).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    let after = company.get(&path).await.body;
    assert_eq!(after["version"], 6);
    for patch in &patches {
        for (name, value) in patch.as_object().unwrap() {
            assert_eq!(&after[name], value, "{name}");
        }
    }
}

/// RFC 7396, section 2, written down once more.
fn merged(target: &Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut members = target.as_object().cloned().unwrap_or_default();
    for (name, change) in changes {
        if change.is_null() {
            members.remove(name);
        } else {
            let value = merged(members.get(name).unwrap_or(&Value::Null), change);
            members.insert(name.clone(), value);
        }
    }
    Value::Object(members)
}

fn patches() -> impl Strategy<Value = Value> {
    let maybe = |values: Vec<Value>| prop::option::of(prop::sample::select(values));
    let texts = || maybe(vec![Value::Null, json!("one"), json!("two")]);
    let address = maybe(vec![
        Value::Null,
        json!({"city": "York"}),
        json!({"city": null, "line1": "1 Mill Lane"}),
        json!({"country": "DE", "region": null, "city": "Ulm"}),
    ]);
    let revenue = maybe(vec![
        Value::Null,
        json!({"amountMinor": 5, "currency": "EUR"}),
        json!({"currency": "USD", "amountMinor": 8}),
    ]);
    let tags = maybe(vec![Value::Null, json!([]), json!(["a"]), json!(["b", "a"])]);
    let status = maybe(vec![Value::Null, json!("active"), json!("archived")]);
    (texts(), texts(), address, revenue, tags, status).prop_map(
        |(industry, tax_id, address, revenue, tags, status)| {
            let fields = [
                ("industry", industry),
                ("taxId", tax_id),
                ("billingAddress", address),
                ("annualRevenue", revenue),
                ("tags", tags),
                ("status", status),
            ];
            let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(given.collect::<Map<_, _>>())
        },
    )
}

#[test]
fn a_series_of_patches_gives_what_the_rfc_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let nexo = runtime.block_on(Nexo::start());
    let company = runtime.block_on(nexo.register());
    proptest!(ProptestConfig::with_cases(25), |(series in prop::collection::vec(patches(), 1..8))| {
        runtime.block_on(async {
            let created = company.client("Acme").await;
            let mut expected = json!({"name": "Acme"});
            for (number, patch) in series.iter().enumerate() {
                expected = merged(&expected, patch);
                let answer = company.patch(&path(&created), patch).await;
                assert_eq!(answer.status, 200, "{patch} {answer:?}");
                assert_eq!(answer.body["version"], number + 2);
                for (name, unset) in [
                    ("name", Value::Null), ("industry", Value::Null), ("taxId", Value::Null),
                    ("billingAddress", Value::Null), ("annualRevenue", Value::Null),
                    ("tags", json!([])), ("status", json!("lead")),
                ] {
                    assert_eq!(&answer.body[name], expected.get(name).unwrap_or(&unset), "{name} after {patch}");
                }
            }
            assert_eq!(company.delete(&path(&created)).await.status, 204);
        });
    });
}
