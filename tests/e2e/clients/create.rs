//! `POST /api/clients`.

use nexo_tests::Nexo;
use serde_json::{Value, json};

use super::{errors, full, id, path};

#[tokio::test]
async fn a_new_client_is_answered_whole_with_its_place_and_version() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let answer = company.post("/api/clients", &json!({"name": "Acme GmbH"})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(answer.header("location"), path(&answer.body));
    assert_eq!(answer.header("cache-control"), "no-store");
    let created_at = answer.body["createdAt"].as_str().unwrap();
    assert_eq!(
        answer.body,
        json!({
            "id": id(&answer.body), "version": 1,
            "createdAt": created_at, "createdBy": company.user(),
            "updatedAt": created_at, "updatedBy": company.user(), "deletedAt": null,
            "ownerId": company.user(), "tags": [], "externalId": null,
            "name": "Acme GmbH", "type": "company", "legalName": null, "taxId": null, "emails": [],
            "phones": [], "website": null, "industry": null, "sizeBand": null, "annualRevenue": null,
            "source": null, "billingAddress": null, "shippingAddress": null, "parentId": null,
            "description": null, "status": "lead",
        })
    );
    assert!(id(&answer.body).starts_with("cli_"));
    assert_eq!(id(&answer.body).len(), "cli_".len() + 26);
    assert_eq!(company.get(answer.header("location")).await.body, answer.body);
}

#[tokio::test]
async fn every_field_that_is_given_is_kept() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let parent = company.client("Parent").await;
    let mut given = full();
    given["parentId"] = parent["id"].clone();
    let answer = company.post("/api/clients", &given).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    for (name, value) in given.as_object().unwrap() {
        assert_eq!(&answer.body[name], value, "{name}");
    }
    assert_eq!(company.get(&path(&answer.body)).await.body, answer.body);
}

#[tokio::test]
async fn what_people_type_is_brought_into_one_form() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let given = json!({
        "name": "  Cafe\u{301} Zoe\u{308} \u{a0}",
        "emails": [{"value": " Ada.Lovelace@Example.COM "}],
        "phones": [{"value": "+49 (30) 90-18.20", "label": " desk ", "primary": true}],
        "website": "HTTPS://Engines.Example",
        "billingAddress": {"city": " Köln ", "country": "de"},
        "annualRevenue": {"amountMinor": -5, "currency": "eur"},
        "tags": ["VIP", " vip ", "New"],
        "description": " one\r\ntwo ",
        "taxId": " DE 12/34 ",
    });
    let answer = company.post("/api/clients", &given).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let wanted = json!({
        "name": "Café Zoë",
        "emails": [{"value": "ada.lovelace@example.com", "label": null, "primary": false}],
        "phones": [{"value": "+4930901820", "label": "desk", "primary": true}],
        "website": "https://engines.example/",
        "billingAddress": {"city": "Köln", "country": "DE"},
        "annualRevenue": {"amountMinor": -5, "currency": "EUR"},
        "tags": ["VIP", "New"],
        "description": "one\ntwo",
        "taxId": "DE 12/34",
    });
    for (name, value) in wanted.as_object().unwrap() {
        assert_eq!(&answer.body[name], value, "{name}");
    }
}

#[tokio::test]
async fn an_array_is_no_object() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let given = json!({
        "name": "Acme", "annualRevenue": [5, "EUR"], "billingAddress": ["Unter den Linden 77"],
        "phones": [["+49 30 901820", "desk", true]],
    });
    let answer = company.post("/api/clients", &given).await;
    answer.assert_problem(422, "validation_failed");
    let wrong = ["/annualRevenue", "/billingAddress", "/phones/0"].map(|pointer| (pointer, "invalid_type"));
    assert_eq!(answer.field_errors(), errors(&wrong));
}

#[tokio::test]
async fn null_is_the_same_as_nothing_in_a_new_client() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let given = json!({"name": "Acme", "legalName": null, "ownerId": null, "billingAddress": null});
    let answer = company.post("/api/clients", &given).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    // Said, unlike not said: nobody owns it.
    assert_eq!(answer.body["ownerId"], Value::Null);
    assert_eq!(answer.body["legalName"], Value::Null);
}

#[tokio::test]
async fn all_that_is_wrong_is_reported_at_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let given = json!({
        "legalName": "", "type": "robot", "status": 7, "sizeBand": "1-11", "taxId": "a\nb",
        "emails": [{"value": "ada"}, {"value": "a@b.example", "kind": "work"}, {"label": "none"}],
        "phones": [{"value": "030 901820"}, 5, {"value": "+49 30 901820", "primary": "yes"}],
        "website": "ftp://engines.example", "industry": "x".repeat(101),
        "annualRevenue": {"amountMinor": 1.5, "currency": "EUR"},
        "billingAddress": {"country": "ZZ", "city": ""}, "shippingAddress": {},
        "parentId": "cli_nothing", "ownerId": "usr_nothing", "tags": ["ok", ""], "description": "",
        "externalId": "x".repeat(256), "colour": "red", "id": "cli_01", "a/b~c": 1,
    });
    let answer = company.post("/api/clients", &given).await;
    answer.assert_problem(422, "validation_failed");
    assert_eq!(
        answer.field_errors(),
        errors(&[
            ("/annualRevenue/amountMinor", "invalid_type"),
            ("/a~1b~0c", "unknown_field"),
            ("/billingAddress/city", "empty"),
            ("/billingAddress/country", "invalid_country"),
            ("/colour", "unknown_field"),
            ("/description", "empty"),
            ("/emails/0/value", "invalid_email"),
            ("/emails/1/kind", "unknown_field"),
            ("/emails/2/value", "required"),
            ("/externalId", "too_long"),
            ("/id", "unknown_field"),
            ("/industry", "too_long"),
            ("/legalName", "empty"),
            ("/name", "required"),
            ("/ownerId", "invalid_id"),
            ("/parentId", "invalid_id"),
            ("/phones/0/value", "invalid_phone"),
            ("/phones/1", "invalid_type"),
            ("/phones/2/primary", "invalid_type"),
            ("/shippingAddress", "empty"),
            ("/sizeBand", "invalid_choice"),
            ("/status", "invalid_type"),
            ("/tags/1", "empty"),
            ("/taxId", "invalid_character"),
            ("/type", "invalid_choice"),
            ("/website", "invalid_url"),
        ])
    );
    assert_eq!(company.get("/api/clients").await.body["data"], json!([]));
}

#[tokio::test]
async fn lists_of_addresses_have_one_primary_and_no_repeats() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let given = json!({
        "name": "Acme", "taxId": "--",
        "emails": [
            {"value": "a@b.example", "primary": true}, {"value": "c@d.example", "primary": true},
            {"value": "A@B.example"}, {"value": "e@f.example", "primary": true},
        ],
        "phones": (0..21).map(|n| json!({"value": format!("+4930901{n:03}")})).collect::<Vec<_>>(),
    });
    let answer = company.post("/api/clients", &given).await;
    answer.assert_problem(422, "validation_failed");
    assert_eq!(
        answer.field_errors(),
        errors(&[
            ("/emails/1/primary", "more_than_one_primary"),
            ("/emails/2/value", "duplicate"),
            ("/emails/3/primary", "more_than_one_primary"),
            ("/phones", "too_many"),
            ("/taxId", "invalid_tax_id"),
        ])
    );
}

#[tokio::test]
async fn texts_and_money_have_exact_bounds() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    // Counted in characters, not in bytes.
    let answer = company.post("/api/clients", &json!({"name": "𝒳".repeat(249)})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let too_long = company.post("/api/clients", &json!({"name": "x".repeat(250)})).await;
    assert_eq!(too_long.field_errors(), errors(&[("/name", "too_long")]));
    for (amount, wanted) in [
        (json!(9_007_199_254_740_991_i64), None),
        (json!(-9_007_199_254_740_991_i64), None),
        (json!(9_007_199_254_740_992_i64), Some(("", "out_of_range"))),
        (json!(1.0), Some(("/amountMinor", "invalid_type"))),
        (json!("1"), Some(("/amountMinor", "invalid_type"))),
        (json!(1e30), Some(("/amountMinor", "invalid_type"))),
    ] {
        let given = json!({"name": "Rich", "annualRevenue": {"amountMinor": amount, "currency": "EUR"}});
        let answer = company.post("/api/clients", &given).await;
        let found = answer.field_errors();
        match wanted {
            None => assert_eq!(answer.body["annualRevenue"]["amountMinor"], amount, "{answer:?}"),
            Some((below, code)) => {
                assert_eq!(found, errors(&[(&format!("/annualRevenue{below}"), code)]), "{amount}");
            }
        }
    }
    let unknown = json!({"name": "Rich", "annualRevenue": {"amountMinor": 1, "currency": "XYZ"}});
    let answer = company.post("/api/clients", &unknown).await;
    assert_eq!(answer.field_errors(), errors(&[("/annualRevenue/currency", "invalid_currency")]));
}

#[tokio::test]
async fn an_owner_is_a_user_of_the_account() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let nobody = company.user().replace("usr_0", "usr_1");
    for owner in [other.user(), &nobody] {
        let answer = company.post("/api/clients", &json!({"name": "Acme", "ownerId": owner})).await;
        answer.assert_problem(422, "validation_failed");
        assert_eq!(answer.field_errors(), errors(&[("/ownerId", "no_such_record")]));
    }
    let own = company.post("/api/clients", &json!({"name": "Acme", "ownerId": company.user()})).await;
    assert_eq!(own.body["ownerId"], company.user(), "{own:?}");
    let patched = company.patch(&path(&own.body), &json!({"ownerId": other.user()})).await;
    assert_eq!(patched.field_errors(), errors(&[("/ownerId", "no_such_record")]), "{patched:?}");
    assert_eq!(company.get(&path(&own.body)).await.body, own.body);
}
