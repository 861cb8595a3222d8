//! Employees, departments and positions.

mod chart;
mod concurrent;
mod departments;
mod employment;
mod filters;
mod paging;
mod people;
mod positions;
mod private;
mod reach;

use std::time::Duration;

use nexo_tests::{Answer, Company, Nexo};
use serde_json::{Value, json};

pub(crate) use crate::clients::errors;

/// Where a record is.
pub(crate) fn at(collection: &str, record: &Value) -> String {
    format!("/api/{collection}/{}", record["id"].as_str().unwrap())
}

/// Creates a record and answers it.
pub(crate) async fn made(company: &Company<'_>, collection: &str, body: &Value) -> Value {
    let answer = company.post(&format!("/api/{collection}"), body).await;
    assert_eq!(answer.status, 201, "{body}: {answer:?}");
    answer.body
}

/// A department of this code.
pub(crate) async fn department(company: &Company<'_>, code: &str, parent: &Value) -> Value {
    made(company, "departments", &json!({"name": code, "code": code, "parentId": parent})).await
}

/// A position for so many.
pub(crate) async fn position(company: &Company<'_>, title: &str, headcount: u32) -> Value {
    made(company, "positions", &json!({"title": title, "headcount": headcount})).await
}

/// The body of an employee.
pub(crate) fn employee_body(number: &str, department: &Value, position: &Value) -> Value {
    json!({
        "employeeNumber": number, "firstName": "Ada", "lastName": format!("L{number}"),
        "workEmail": format!("{number}@acme.example"), "departmentId": department["id"],
        "positionId": position["id"], "hireDate": "2026-01-15", "status": "active",
    })
}

/// An employee.
pub(crate) async fn employee(
    company: &Company<'_>,
    number: &str,
    department: &Value,
    position: &Value,
) -> Value {
    made(company, "employees", &employee_body(number, department, position)).await
}

/// Does something to an employee.
pub(crate) async fn act(company: &Company<'_>, one: &Value, action: &str, body: &Value) -> Answer {
    company.post(&format!("{}/{action}", at("employees", one)), body).await
}

/// How somebody was employed: reason, first day and end of each record.
pub(crate) async fn records(company: &Company<'_>, one: &Value) -> Vec<(String, String, Option<String>)> {
    let answer = company.get(&format!("{}/employment-records", at("employees", one))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = |record: &Value, name: &str| record[name].as_str().map(str::to_owned);
    let read = |record: &Value| {
        (text(record, "reason").unwrap(), text(record, "effectiveFrom").unwrap(), text(record, "effectiveTo"))
    };
    answer.body["data"].as_array().unwrap().iter().map(read).collect()
}

/// `records`, as they are written in tests.
pub(crate) fn history(records: &[(&str, &str, &str)]) -> Vec<(String, String, Option<String>)> {
    let end = |to: &str| (!to.is_empty()).then(|| to.to_owned());
    records.iter().map(|(reason, from, to)| ((*reason).to_owned(), (*from).to_owned(), end(to))).collect()
}

/// Today, and so many days later.
pub(crate) fn day(nexo: &Nexo, later: u64) -> String {
    nexo.clock.now().saturating_add(Duration::from_hours(24 * later)).date().to_string()
}

/// A record as it is now.
pub(crate) async fn now(company: &Company<'_>, collection: &str, record: &Value) -> Value {
    let answer = company.get(&at(collection, record)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[track_caller]
pub(crate) fn assert_invalid(answer: &Answer, wanted: &[(&str, &str)]) {
    answer.assert_problem(422, "validation_failed");
    assert_eq!(answer.field_errors(), errors(wanted));
}
