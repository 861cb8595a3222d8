//! Records as CSV: `GET /api/clients/export.csv` and `GET /api/employees/export.csv`.

mod columns;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use nexo_local::{FailNth, Fault, ServiceError};
use nexo_tests::{Answer, Company, Nexo, PASSWORD, Row, next_page, rows, table};
use reqwest::Method;
use serde_json::{Value, json};

use crate::employees::{at, department, employee_body, made, position};

const CLIENTS: &str = "/api/clients/export.csv";
const EMPLOYEES: &str = "/api/employees/export.csv";

/// Puts copies of a record beside it, in the table: many records in little time. Their names are numbered.
async fn copies(nexo: &Nexo, company: &Company<'_>, partition: &str, record: &Value, count: usize) {
    numbered(nexo, company, partition, record, 0..count).await;
}

async fn numbered(
    nexo: &Nexo,
    company: &Company<'_>,
    partition: &str,
    record: &Value,
    numbers: Range<usize>,
) {
    let token = nexo.tenant_token(&company.account()).await;
    let pk = json!({"S": format!("A#{}#{partition}", company.account())});
    let key = json!({"pk": pk, "sk": {"S": table::ulid(record["id"].as_str().unwrap())}});
    let get = json!({"TableName": nexo.table_name(), "Key": key});
    let (status, answer) = nexo.table_call(Some(&token), "GetItem", &get).await;
    assert_eq!(status, 200, "{answer}");
    let mut item = answer["Item"].clone();
    for number in numbers {
        item["sk"] = json!({"S": format!("01M0000000{number:016}")});
        item["gsi1sk"] = json!({"S": format!("copy {number:016}")});
        let put = json!({"TableName": nexo.table_name(), "Item": item});
        let (status, answer) = nexo.table_call(Some(&token), "PutItem", &put).await;
        assert_eq!(status, 200, "{answer}");
    }
}

fn ids(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row["id"].as_str()).collect()
}

/// The ids of all pages of a list.
async fn listed(company: &Company<'_>, path: &str) -> Vec<String> {
    let (mut ids, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = company.get(&format!("{path}limit=100{cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        let data = page.body["data"].as_array().unwrap();
        ids.extend(data.iter().map(|one| one["id"].as_str().unwrap().to_owned()));
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return ids,
        }
    }
}

#[tokio::test]
async fn the_pages_are_one_file_and_the_file_is_the_list() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let first = company.post("/api/clients", &json!({"name": "Copied", "tags": ["copy"]})).await.body;
    copies(&nexo, &company, "CLI", &first, 2600).await;
    company.client("Café \u{1f980}, \"quoted\"").await;
    for (query, pages) in
        [("", 3), ("sort=name&", 3), ("sort=-updatedAt&", 3), ("tag=copy&sort=createdAt&", 3), ("q=ca&", 2)]
    {
        let exported = company.export(&format!("{CLIENTS}?{}", query.trim_end_matches('&'))).await;
        assert_eq!(exported.len(), pages, "{query}");
        for (number, page) in exported.iter().enumerate() {
            let header = if number == 0 { "present" } else { "absent" };
            assert_eq!(page.header("content-type"), format!("text/csv; charset=utf-8; header={header}"));
            assert_eq!(page.header("content-disposition"), "attachment; filename=\"clients.csv\"");
            assert_eq!(page.header("x-content-type-options"), "nosniff");
            assert_eq!(page.header("cache-control"), "no-store");
            let text = page.body.as_str().unwrap_or_default();
            assert!(text.is_empty() || text.ends_with("\r\n"), "{query}");
            assert_eq!(text.starts_with("id,name,type,"), number == 0, "{query}");
            assert!(text.matches("\r\n").count() <= 1001, "{query}");
        }
        let (rows, list) = (rows(&exported), listed(&company, &format!("/api/clients?{query}")).await);
        assert_eq!(ids(&rows), list, "{query}");
    }
    let named = rows(&company.export(&format!("{CLIENTS}?q=CAF%C3%89")).await);
    assert_eq!(named.len(), 1);
    assert_eq!(named[0]["name"], "Café \u{1f980}, \"quoted\"");
    // A page looks at 2,500 records. It may be without a row, and another have one.
    for (sort, first) in [("createdAt", 0), ("-createdAt", 1)] {
        let pages = company.export(&format!("{CLIENTS}?sort={sort}&q=caf%C3%89")).await;
        assert_eq!((pages.len(), rows(&pages[..1]).len(), rows(&pages).len()), (2, first, 1), "{sort}");
    }
    let none = company.export(&format!("{CLIENTS}?industry=None")).await;
    assert_eq!((none.len(), rows(&none).len()), (2, 0));
}

#[tokio::test]
async fn others_write_and_what_they_leave_alone_is_there_once() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let first = company.client("Copied").await;
    copies(&nexo, &company, "CLI", &first, 2100).await;
    for sort in ["createdAt", "-createdAt", "name", "-updatedAt"] {
        let mut moving = Vec::new();
        for number in 0..4 {
            moving.push(company.client(&format!("Moving {number}")).await);
        }
        let before: BTreeSet<_> = listed(&company, "/api/clients?").await.into_iter().collect();
        let mut pages = vec![company.get(&format!("{CLIENTS}?sort={sort}")).await];
        while let Some(next) = next_page(&pages[pages.len() - 1]) {
            company.client("Added").await;
            if let Some(renamed) = moving.pop() {
                let renamed = at("clients", &renamed);
                assert_eq!(company.patch(&renamed, &json!({"name": "A"})).await.status, 200);
            }
            if let Some(deleted) = moving.pop() {
                assert_eq!(company.delete(&at("clients", &deleted)).await.status, 204);
            }
            pages.push(company.get(&next).await);
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for row in rows(&pages) {
            *seen.entry(row["id"].clone()).or_default() += 1;
        }
        for id in before.iter().filter(|id| id.starts_with("cli_01M0000000")) {
            assert_eq!(seen.get(id), Some(&1), "{sort}: {id}");
        }
        if sort.ends_with("createdAt") {
            assert!(seen.values().all(|times| *times == 1), "{sort}");
        }
    }
}

/// Lambda answers with 6 MB at most, and in JSON.
const MOST_BYTES: usize = 6 * 1024 * 1024;

#[tokio::test]
async fn no_page_is_larger_than_a_function_can_answer() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let mut all = Vec::new();
    for status in ["archived", "lead"] {
        let body = json!({"name": "Large", "description": "\"".repeat(10_000), "status": status});
        all.push(company.post("/api/clients", &body).await.body);
    }
    // A first read, of 1 MB, finds just less than is enough; the next one finds all that it can.
    numbered(&nexo, &company, "CLI", &all[0], 0..52).await;
    numbered(&nexo, &company, "CLI", &all[1], 52..400).await;
    let pages = company.export(&format!("{CLIENTS}?status=lead&sort=createdAt")).await;
    let sizes: Vec<_> = pages.iter().map(|page| page.body.to_string().len()).collect();
    assert!(sizes[0] > MOST_BYTES - 600_000, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size < MOST_BYTES - 10_000), "{sizes:?}");
    assert!(rows(&pages).iter().all(|row| row["description"].len() == 10_000));
    assert_eq!(rows(&pages).len(), 349);
}

#[tokio::test]
async fn an_export_shows_what_the_list_shows() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let member = company.colleague("member").await;
    let (mine, theirs) = (member.client("Mine").await, company.client("Theirs").await);
    let deleted = company.client("Deleted").await;
    assert_eq!(company.delete(&at("clients", &deleted)).await.status, 204);
    nexo.register().await.client("Of another account").await;
    let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
    for (caller, query, wanted) in [
        (&member, String::new(), vec![id(&mine)]),
        (&member, format!("?ownerId={}", company.user()), vec![]),
        (&company, String::new(), vec![id(&theirs), id(&mine)]),
        (&company, "?sort=name".to_owned(), vec![id(&mine), id(&theirs)]),
        (&company, format!("?ownerId={}&status=lead", member.user()), vec![id(&mine)]),
        (&company, "?status=active".to_owned(), vec![]),
    ] {
        let rows = rows(&caller.export(&format!("{CLIENTS}{query}")).await);
        assert_eq!(ids(&rows), wanted, "{query}");
    }
    for query in ["limit=10", "x=1", "status=gone", "sort=id", "status=lead&status=lead", "q="] {
        company.get(&format!("{CLIENTS}?{query}")).await.assert_problem(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn no_cell_is_a_formula() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let name = "=HYPERLINK(\"http://evil.example\";\"Click\")";
    let body = json!({
        "name": name, "legalName": "'=1", "phones": [{"value": "+4930901820"}, {"value": "+4930901821"}],
        "emails": [{"value": "=1@evil.example"}], "tags": ["vip", "@SUM(A1)"], "externalId": "a;=cmd|' /C calc'!A0",
        "annualRevenue": {"amountMinor": -5, "currency": "EUR"}, "description": "- one\n- two",
    });
    assert_eq!(company.post("/api/clients", &body).await.status, 201);
    let rows = rows(&company.export(CLIENTS).await);
    for (column, cell) in [
        ("name", format!("'{name}").as_str()),
        ("legalName", "''=1"),
        ("phones", "'+4930901820\n'+4930901821"),
        ("emails", "'=1@evil.example"),
        ("tags", "vip\n'@SUM(A1)"),
        ("externalId", "a;'=cmd|' /C calc'!A0"),
        ("annualRevenue.amountMinor", "-5"),
        ("description", "'- one\n'- two"),
    ] {
        assert_eq!(rows[0][column], cell, "{column}");
    }
}

const SECRETS: [&str; 4] = ["1990-12-10", "home.example", "Charles", "7500000"];

fn private_body(number: &str, department: &Value, position: &Value) -> Value {
    let mut body = employee_body(number, department, position);
    body["birthDate"] = json!("1990-12-10");
    body["personalEmail"] = json!("ada@home.example");
    body["emergencyContact"] = json!({"name": "Charles", "phone": "+4930901820", "relation": "friend"});
    body["pay"] = json!({"amountMinor": 7_500_000, "currency": "EUR"});
    body
}

fn is_private(column: &str) -> bool {
    ["birthDate", "personalEmail", "emergencyContact", "pay"].contains(&column.split('.').next().unwrap())
}

#[tokio::test]
async fn private_columns_are_for_those_who_may_read_them() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (it, dev) = (department(&company, "IT", &Value::Null).await, position(&company, "Dev", 5).await);
    made(&company, "employees", &private_body("1", &it, &dev)).await;
    for (role, may) in
        [("viewer", false), ("member", false), ("manager", false), ("admin", true), ("owner", true)]
    {
        let pages = company.colleague(role).await.export(EMPLOYEES).await;
        assert_eq!(pages[0].header("content-disposition"), "attachment; filename=\"employees.csv\"");
        let row = &rows(&pages)[0];
        assert_eq!(row["workEmail"], "1@acme.example");
        assert_eq!(row.keys().filter(|column| is_private(column)).count(), if may { 7 } else { 0 }, "{role}");
        let text = pages[0].body.as_str().unwrap();
        assert!(SECRETS.iter().all(|secret| text.contains(secret) == may), "{role}: {text}");
    }
    // Who reads them of its own records has the columns, and in others' rows nothing in them.
    let officer = company.colleague_who_may(&["employee:read:all", "employee:read-private:own"]).await;
    let mut body = private_body("2", &it, &dev);
    body["ownerId"] = json!(officer.user());
    made(&company, "employees", &body).await;
    let rows = rows(&officer.export(&format!("{EMPLOYEES}?sort=name")).await);
    assert_eq!(rows.len(), 2);
    for (column, cell) in rows[0].iter().filter(|(column, _)| is_private(column)) {
        assert_eq!(cell, "", "{column}");
        assert_ne!(rows[1][column], "", "{column}");
    }
}

#[tokio::test]
async fn an_export_goes_on_as_it_began() {
    let nexo = Nexo::start().await;
    let mut company = nexo.register().await;
    let (it, dev) = (department(&company, "IT", &Value::Null).await, position(&company, "Dev", 5).await);
    let one = made(&company, "employees", &private_body("1", &it, &dev)).await;
    copies(&nexo, &company, "EMP", &one, 1500).await;
    let admin = company.colleague("admin").await;
    let first = admin.get(&format!("{EMPLOYEES}?status=active")).await;
    let next = next_page(&first).expect("a second page");
    assert!(next.starts_with(&format!("{EMPLOYEES}?status=active&cursor=")), "{next}");
    let second = admin.get(&next).await;
    assert_eq!(rows(&[first.clone(), second]).len(), 1501);

    // In the list, with other filters, by another user, in another session, or without the proof.
    let cursor = next.split_once("cursor=").unwrap().1;
    for path in ["/api/employees?status=active", EMPLOYEES, "/api/clients/export.csv"] {
        let joint = if path.contains('?') { '&' } else { '?' };
        admin.get(&format!("{path}{joint}cursor={cursor}")).await.assert_problem(400, "invalid_cursor");
    }
    let page = admin.get("/api/employees?status=active&limit=1").await;
    let of_the_list = page.body["nextCursor"].as_str().unwrap();
    let path = format!("{EMPLOYEES}?status=active&cursor={of_the_list}");
    admin.get(&path).await.assert_problem(400, "invalid_cursor");
    company.get(&next).await.assert_problem(400, "invalid_cursor");
    let of_mine = next_page(&company.get(EMPLOYEES).await).unwrap();
    assert_eq!(company.get(&of_mine).await.status, 200);
    company.log_in().await;
    company.get(&of_mine).await.assert_problem(400, "invalid_cursor");
    nexo.clock.advance(601_000);
    admin.get(&next).await.assert_problem(403, "step_up_required");
    assert_eq!(admin.post("/api/auth/step-up", &json!({"password": PASSWORD})).await.status, 204);
    assert_eq!(admin.get(&next).await.status, 200);
    // With other columns than those of the header.
    admin.set_role("viewer").await;
    nexo.clock.advance(60_000);
    admin.get(&next).await.assert_problem(400, "invalid_cursor");
    // Another account's.
    nexo.register().await.get(&next).await.assert_problem(400, "invalid_cursor");
}

#[tokio::test]
async fn an_export_is_to_be_had_for_a_day() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let first = company.client("Copied").await;
    copies(&nexo, &company, "CLI", &first, 1001).await;
    let next = next_page(&company.get(CLIENTS).await).unwrap();
    let mut refresh = company.refresh_token().to_owned();
    let mut later = async |seconds: i64| {
        nexo.clock.advance(seconds * 1000);
        let renewed = nexo.post("/api/auth/refresh", &json!({"refreshToken": refresh})).await.body;
        refresh = renewed["refreshToken"].as_str().unwrap().to_owned();
        let signed_in = |method, path: &str| {
            nexo.request(method, path).bearer_auth(renewed["accessToken"].as_str().unwrap())
        };
        let proof = json!({"password": PASSWORD});
        let proved = Answer::of(signed_in(Method::POST, "/api/auth/step-up").json(&proof)).await;
        assert_eq!(proved.status, 204, "{proved:?}");
        Answer::of(signed_in(Method::GET, &next)).await
    };
    assert_eq!(later(24 * 60 * 60 - 60).await.status, 200);
    later(60).await.assert_problem(400, "invalid_cursor");
}

#[tokio::test]
async fn an_export_is_noted_when_it_begins() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let first = company.client("Copied").await;
    copies(&nexo, &company, "CLI", &first, 1500).await;
    assert_eq!(company.export(&format!("{CLIENTS}?status=lead&sort=name")).await.len(), 2);
    company.get(&format!("{CLIENTS}?x=1")).await.assert_problem(400, "invalid_parameter");
    company.program(&["client:read"]).await.get(CLIENTS).await.assert_problem(403, "api_key_not_allowed");
    company.export(EMPLOYEES).await;
    let noted = company.get("/api/auth/activity?type=export").await;
    let noted: Vec<_> = noted.body["data"].as_array().unwrap().iter().collect();
    let details: Vec<_> = noted.iter().map(|event| event["details"].clone()).collect();
    assert_eq!(
        details,
        [
            json!({"resource": "employee", "filters": [], "private": true}),
            json!({"resource": "client", "filters": ["status"], "private": false}),
        ]
    );
    assert_eq!((&noted[0]["outcome"], &noted[0]["actor"]["id"]), (&json!("success"), &json!(company.user())));

    // What cannot be noted is not exported, and not a record is read for it.
    let how = Fault::BeforeExecution(ServiceError::Throttling);
    nexo.door().faults().arm((1..50).map(|n| FailNth { n, how }));
    let (refused, calls) = nexo.calls_of(company.get(CLIENTS)).await;
    nexo.door().faults().disarm();
    refused.assert_problem(503, "unavailable");
    assert!(!calls.is_empty() && calls.iter().all(|call| call.operation == "PutItem"), "{calls:?}");
}

#[tokio::test]
async fn an_export_is_no_record() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let deleted = Answer::of(company.request(Method::DELETE, CLIENTS)).await;
    deleted.assert_problem(405, "method_not_allowed");
    assert_eq!(deleted.header("allow"), "GET");
    // Of what names no columns there is none.
    company.get("/api/departments/export.csv").await.assert_problem(404, "not_found");
}
