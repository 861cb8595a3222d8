//! The client resource.

mod create;
mod delete;
mod idempotency;
mod list;
mod merge;
mod paging;
mod parent;
mod reach;
mod read;
mod replace;
mod tax_id;

use serde_json::Value;

/// Where a client is.
fn path(client: &Value) -> String {
    format!("/api/clients/{}", client["id"].as_str().unwrap())
}

/// A client's id.
fn id(client: &Value) -> &str {
    client["id"].as_str().unwrap()
}

/// `(pointer, code)` pairs, as [`nexo_tests::Answer::field_errors`] answers them.
pub(crate) fn errors(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(pointer, code)| ((*pointer).to_owned(), (*code).to_owned())).collect()
}

/// A client with a value in every field, as it is sent.
pub(crate) fn full() -> Value {
    serde_json::json!({
        "name": "Analytical Engines", "type": "company", "legalName": "Analytical Engines Ltd",
        "taxId": "GB 123 456", "externalId": "erp-17", "tags": ["vip", "north"],
        "emails": [{"value": "info@engines.example", "label": "work", "primary": true}],
        "phones": [{"value": "+4930901820", "label": null, "primary": false}],
        "website": "https://engines.example/", "industry": "Machines", "sizeBand": "11-50",
        "annualRevenue": {"amountMinor": 125_000, "currency": "EUR"}, "source": "Fair",
        "billingAddress": {"line1": "1 Mill Lane", "city": "London", "country": "GB"},
        "shippingAddress": {"city": "Leeds", "country": "GB"},
        "description": "Two lines\nof text", "status": "prospect",
    })
}
