//! The columns of exports: all that a record has, in a form from which it can be made again.

use std::collections::BTreeSet;

use nexo_api::{Column, Form};
use nexo_tests::{Company, Nexo, rows};
use serde_json::{Map, Value, json};

use super::{CLIENTS, EMPLOYEES, department, made, position, private_body};
use crate::clients::full;

/// What is not exported. A new entry is a decision, so it is written here and not derived.
const NOT_EXPORTED: [&str; 1] = ["deletedAt"];

async fn description(nexo: &Nexo) -> Value {
    nexo.get("/api/openapi.json").await.body
}

/// The columns of an export, as the description names them.
fn columns(description: &Value, path: &str) -> Vec<Column> {
    let schema = &description["paths"][path]["get"]["responses"]["200"]["content"]["text/csv"]["schema"];
    let column = |column: &Value| {
        let name: &'static str = Box::leak(column["name"].as_str().unwrap().into());
        let forms = [Form::Text, Form::Number, Form::Lines, Form::Labelled];
        let form = forms.into_iter().find(|form| form.as_str() == column["form"]).expect("a form");
        Column { name, form }
    };
    schema["x-columns"].as_array().expect("columns").iter().map(column).collect()
}

/// Every member of a record that is no object, by its path, with the form that suits its schema.
fn members(description: &Value, schema: &Value, path: &str, found: &mut BTreeSet<(String, &'static str)>) {
    if let Some(reference) = schema["$ref"].as_str() {
        let schema = description.pointer(reference.trim_start_matches('#')).expect("a schema");
        return members(description, schema, path, found);
    }
    if let Some(alternatives) = schema["anyOf"].as_array() {
        let mut some = alternatives.iter().filter(|one| one["type"] != "null");
        let one = some.next().expect("an alternative");
        assert_eq!(some.next(), None, "{path} is one thing or another");
        return members(description, one, path, found);
    }
    if let Some(properties) = schema["properties"].as_object() {
        let joint = if path.is_empty() { "" } else { "." };
        for (name, schema) in properties {
            members(description, schema, &format!("{path}{joint}{name}"), found);
        }
        return;
    }
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).filter(|one| *one != "null").collect(),
        one => one.as_str().into_iter().collect(),
    };
    let form = match types.as_slice() {
        ["string"] => "text",
        ["integer"] => "number",
        ["array"] => {
            let mut inner = BTreeSet::new();
            members(description, &schema["items"], "", &mut inner);
            let names: Vec<_> = inner.iter().map(|(name, _)| name.as_str()).collect();
            match names.as_slice() {
                [""] => "lines",
                ["label", "primary", "value"] => "labelled",
                _ => panic!("teach columns a list such as {path}"),
            }
        }
        ["boolean"] if path == "primary" => "boolean",
        _ if schema["oneOf"].is_array() || schema["enum"].is_array() => "text",
        _ => panic!("teach columns the type of {path}: {schema}"),
    };
    found.insert((path.to_owned(), form));
}

#[tokio::test]
async fn every_field_is_a_column() {
    let nexo = Nexo::start().await;
    let description = description(&nexo).await;
    let exports: Vec<&String> = description["paths"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|path| path.ends_with("/export.csv"))
        .collect();
    assert_eq!(exports, [CLIENTS, EMPLOYEES]);
    for (path, schema) in exports.into_iter().zip(["Client", "Employee"]) {
        let mut fields = BTreeSet::new();
        members(&description, &description["components"]["schemas"][schema], "", &mut fields);
        fields.retain(|(name, _)| !NOT_EXPORTED.contains(&name.as_str()));
        let columns = columns(&description, path);
        let listed: BTreeSet<_> =
            columns.iter().map(|column| (column.name.to_owned(), column.form.as_str())).collect();
        assert_eq!(listed.len(), columns.len(), "{path} has a column twice");
        assert_eq!(listed, fields, "{path}");
    }
}

/// A record without what an absent member says as well.
fn bare(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let bare = members.iter().map(|(name, value)| (name.clone(), bare(value)));
            let says_more = |value: &Value| !value.is_null() && *value != false && *value != json!([]);
            Value::Object(bare.filter(|(_, value)| says_more(value)).collect())
        }
        Value::Array(elements) => elements.iter().map(bare).collect(),
        other => other.clone(),
    }
}

async fn assert_rows_are_records(nexo: &Nexo, company: &Company<'_>, collection: &str) {
    let path = format!("{collection}/export.csv");
    let columns = columns(&description(nexo).await, &path);
    let listed = company.get(&format!("{collection}?sort=createdAt")).await.body;
    let read = rows(&company.export(&format!("{path}?sort=createdAt")).await).into_iter().map(|row| {
        let mut record = Map::new();
        for column in &columns {
            column.read(&row[column.name], &mut record).unwrap();
        }
        Value::Object(record)
    });
    assert_eq!(read.collect::<Value>(), bare(&listed["data"]));
}

#[tokio::test]
async fn a_row_has_all_that_a_record_has() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut hostile = full();
    for (name, value) in [
        ("name", json!("\"=1+1\", '+2'; -3")),
        ("legalName", json!("'=quoted'")),
        ("taxId", json!("DE;@1")),
        ("externalId", json!("﹢full＝width ＋1 日本語 \u{1f980} e\u{301}")),
        ("description", json!("- one\n\n\t=two\n'@three';\"=four\"\n,-5")),
        ("tags", json!(["a, b; c", "'-d", "\"=e\"", "＠f"])),
        ("emails", json!([{"value": "'=a|b'@c.example", "label": "; primary; label=x", "primary": true}])),
        ("billingAddress", json!({"line1": "=1", "postalCode": "01234"})),
    ] {
        hostile[name] = value;
    }
    for body in [json!({"name": "Bare"}), full(), hostile] {
        let answer = company.post("/api/clients", &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
    assert_rows_are_records(&nexo, &company, "/api/clients").await;

    let (it, dev) = (department(&company, "IT", &Value::Null).await, position(&company, "Dev", 5).await);
    let boss = made(&company, "employees", &private_body("007", &it, &dev)).await;
    let mut body = private_body("-1", &it, &dev);
    body.as_object_mut().unwrap().extend(
        json!({
            "workEmail": "-1@acme.example", "managerId": boss["id"], "phone": "+4930901820",
            "userId": company.user(), "workLocation": "=Home", "status": "terminated", "endDate": "2026-03-31",
        })
        .as_object()
        .unwrap()
        .clone(),
    );
    made(&company, "employees", &body).await;
    assert_rows_are_records(&nexo, &company, "/api/employees").await;
}
