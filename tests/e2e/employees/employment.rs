//! Employments: each change ends a record and begins the next.

use nexo_tests::table::ulid;
use nexo_tests::{Company, Nexo};
use serde_json::{Value, json};

use super::{
    act, assert_invalid, at, day, department, employee, employee_body, history, now, position, records,
};

/// Two departments, two positions of room for five, and an employee of the first of each.
async fn staffed(company: &Company<'_>) -> ([Value; 2], [Value; 2], Value) {
    let departments =
        [department(company, "IT", &Value::Null).await, department(company, "HR", &Value::Null).await];
    let positions = [position(company, "Dev", 5).await, position(company, "Lead", 5).await];
    let one = employee(company, "1", &departments[0], &positions[0]).await;
    (departments, positions, one)
}

#[tokio::test]
async fn an_employment_goes_from_hire_to_rehire() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let ([it, hr], [dev, lead], one) = staffed(&company).await;
    assert_eq!(records(&company, &one).await, history(&[("hire", "2026-01-15", "")]));
    let steps = [
        ("promote", json!({"positionId": lead["id"], "effectiveFrom": "2026-02-01", "note": "Well done"})),
        ("transfer", json!({"departmentId": hr["id"], "effectiveFrom": "2026-03-01"})),
        ("leave", json!({"effectiveFrom": "2026-04-01"})),
        ("return", json!({"effectiveFrom": "2026-05-01"})),
        ("terminate", json!({"endDate": "2026-05-31"})),
        ("rehire", json!({"hireDate": "2026-07-01", "departmentId": it["id"], "positionId": dev["id"]})),
    ];
    let mut statuses = Vec::new();
    for (version, (action, body)) in (2..).zip(&steps) {
        let answer = act(&company, &one, action, body).await;
        assert_eq!(answer.status, 200, "{action}: {answer:?}");
        assert_eq!(answer.header("etag"), format!("\"{version}\""));
        assert_eq!(now(&company, "employees", &one).await, answer.body, "{action}");
        statuses.push(answer.body["status"].as_str().unwrap().to_owned());
    }
    assert_eq!(statuses, ["active", "active", "on_leave", "active", "terminated", "active"]);
    assert_eq!(
        records(&company, &one).await,
        history(&[
            ("hire", "2026-01-15", "2026-02-01"),
            ("promotion", "2026-02-01", "2026-03-01"),
            ("transfer", "2026-03-01", "2026-04-01"),
            ("leave", "2026-04-01", "2026-05-01"),
            ("return", "2026-05-01", "2026-06-01"),
            ("termination", "2026-06-01", "2026-06-01"),
            ("rehire", "2026-07-01", ""),
        ])
    );
    let all = company.get(&format!("{}/employment-records", at("employees", &one))).await.body;
    let field = |index: usize, name: &str| all["data"][index][name].clone();
    assert_eq!((field(1, "positionId"), field(1, "note")), (lead["id"].clone(), json!("Well done")));
    assert_eq!((field(1, "departmentId"), field(2, "departmentId")), (it["id"].clone(), hr["id"].clone()));
    let employee = now(&company, "employees", &one).await;
    assert_eq!(employee["employmentRecordId"], field(6, "id"));
    assert_eq!((&employee["hireDate"], &employee["endDate"]), (&json!("2026-07-01"), &Value::Null));
}

#[tokio::test]
async fn a_put_or_patch_that_changes_the_employment_is_in_its_history() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let ([it, hr], [dev, lead], one) = staffed(&company).await;
    let path = at("employees", &one);
    let mut wanted = vec!["hire"];
    for (patch, reason) in [
        (json!({"phone": "+4930901820"}), None),
        (json!({"firstName": "Grace"}), None),
        (json!({"status": "suspended"}), None),
        (json!({"departmentId": hr["id"]}), Some("transfer")),
        (json!({"positionId": lead["id"]}), Some("title_change")),
        (json!({"employmentType": "part_time"}), Some("title_change")),
        (json!({"status": "on_leave"}), Some("leave")),
        (json!({"status": "active"}), Some("return")),
        (json!({"status": "terminated", "endDate": day(&nexo, 0)}), Some("termination")),
        (json!({"departmentId": it["id"]}), None),
    ] {
        let answer = company.patch(&path, &patch).await;
        assert_eq!(answer.status, 200, "{patch}: {answer:?}");
        wanted.extend(reason);
        let records = records(&company, &one).await;
        let reasons: Vec<_> = records.iter().map(|(reason, ..)| reason.as_str()).collect();
        assert_eq!(reasons, wanted, "{patch}");
        let open = records.iter().filter(|(.., to)| to.is_none()).count();
        assert_eq!(open, usize::from(answer.body["status"] != "terminated"));
        for pair in records.windows(2) {
            assert_eq!(pair[0].2.as_deref(), Some(pair[1].1.as_str()), "no gap, no overlap: {records:?}");
        }
    }
    let put = company.put(&path, &employee_body("1", &it, &dev)).await;
    assert_invalid(&put, &[("/hireDate", "invalid_range")]);
}

#[tokio::test]
async fn nothing_happens_before_what_happened_last() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let ([_, hr], [_, lead], one) = staffed(&company).await;
    let move_on = |day: &str| json!({"departmentId": hr["id"], "effectiveFrom": day});
    let early = act(&company, &one, "transfer", &move_on("2026-01-14")).await;
    assert_invalid(&early, &[("/effectiveFrom", "invalid_range")]);
    let future = act(&company, &one, "transfer", &move_on("2206-01-01")).await;
    assert_invalid(&future, &[("/effectiveFrom", "in_future")]);
    // On the same day is a record without length.
    assert_eq!(act(&company, &one, "transfer", &move_on("2026-01-15")).await.status, 200);
    let promotion = json!({"positionId": lead["id"], "effectiveFrom": "2026-03-01"});
    assert_eq!(act(&company, &one, "promote", &promotion).await.status, 200);
    let early = act(&company, &one, "terminate", &json!({"endDate": "2026-02-01"})).await;
    assert_invalid(&early, &[("/endDate", "invalid_range")]);
    let changed = company.patch(&at("employees", &one), &json!({"hireDate": "2026-01-16"})).await;
    assert_invalid(&changed, &[("/hireDate", "unchangeable")]);
    assert_eq!(act(&company, &one, "terminate", &json!({"endDate": "2026-04-30"})).await.status, 200);
    let changed = company.patch(&at("employees", &one), &json!({"endDate": "2026-05-01"})).await;
    assert_invalid(&changed, &[("/endDate", "unchangeable")]);
    let early = act(&company, &one, "rehire", &json!({"hireDate": "2026-04-30"})).await;
    assert_invalid(&early, &[("/hireDate", "invalid_range")]);
    assert_eq!(act(&company, &one, "rehire", &json!({"hireDate": "2026-05-01"})).await.status, 200);
    assert_eq!(
        records(&company, &one).await,
        history(&[
            ("hire", "2026-01-15", "2026-01-15"),
            ("transfer", "2026-01-15", "2026-03-01"),
            ("promotion", "2026-03-01", "2026-05-01"),
            ("termination", "2026-05-01", "2026-05-01"),
            ("rehire", "2026-05-01", ""),
        ])
    );
}

#[tokio::test]
async fn a_change_needs_its_state_and_must_be_one() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let ([it, hr], [dev, lead], one) = staffed(&company).await;
    let refused = async |action: &str, body: &Value| {
        act(&company, &one, action, body).await.assert_problem(409, "wrong_state");
    };
    let (transfer, promote) = (json!({"departmentId": hr["id"]}), json!({"positionId": lead["id"]}));
    refused("return", &json!({})).await;
    refused("rehire", &json!({"hireDate": "2026-07-01"})).await;
    let same = act(&company, &one, "transfer", &json!({"departmentId": it["id"]})).await;
    assert_invalid(&same, &[("/departmentId", "unchanged")]);
    let same = act(&company, &one, "promote", &json!({"positionId": dev["id"]})).await;
    assert_invalid(&same, &[("/positionId", "unchanged")]);
    assert_eq!(act(&company, &one, "leave", &json!({})).await.status, 200);
    refused("leave", &json!({})).await;
    assert_eq!(act(&company, &one, "terminate", &json!({"endDate": day(&nexo, 0)})).await.status, 200);
    for (action, body) in [
        ("transfer", &transfer),
        ("promote", &promote),
        ("leave", &json!({})),
        ("return", &json!({})),
        ("terminate", &json!({"endDate": day(&nexo, 1)})),
    ] {
        refused(action, body).await;
    }
    let gone = json!({"id": "emp_01ARZ3NDEKTSV4RRFFQ69G5FAV"});
    act(&company, &gone, "transfer", &transfer).await.assert_problem(404, "not_found");
    let stale = company
        .request(reqwest::Method::POST, &format!("{}/rehire", at("employees", &one)))
        .header("if-match", "\"1\"")
        .json(&json!({"hireDate": day(&nexo, 1)}));
    let stale = nexo_tests::Answer::of(stale).await;
    stale.assert_problem(412, "stale_version");
    assert_eq!(stale.body["current"]["version"], 3);
}

#[tokio::test]
async fn a_day_that_is_to_come_is_none_on_which_something_happened() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let ([it, hr], [dev, _], one) = staffed(&company).await;
    let (transfer, terminate, rehire) = (
        |later| json!({"departmentId": hr["id"], "effectiveFrom": day(&nexo, later)}),
        |later| json!({"endDate": day(&nexo, later)}),
        |later| json!({"hireDate": day(&nexo, later)}),
    );
    assert_invalid(&act(&company, &one, "transfer", &transfer(2)).await, &[("/effectiveFrom", "in_future")]);
    assert_invalid(&act(&company, &one, "terminate", &terminate(2)).await, &[("/endDate", "in_future")]);
    let leaves = json!({"status": "terminated", "endDate": day(&nexo, 90)});
    let leaves = company.patch(&at("employees", &one), &leaves).await;
    assert_invalid(&leaves, &[("/endDate", "in_future")]);
    assert_eq!(act(&company, &one, "terminate", &terminate(0)).await.status, 200);
    assert_invalid(&act(&company, &one, "rehire", &rehire(2)).await, &[("/hireDate", "in_future")]);
    // Somewhere it is tomorrow already.
    assert_eq!(act(&company, &one, "rehire", &rehire(1)).await.status, 200);
    assert_eq!(act(&company, &one, "transfer", &transfer(1)).await.status, 200);

    // Whoever comes later is moved, and leaves, on the first day at the earliest, and not later.
    let mut body = employee_body("later", &it, &dev);
    body["hireDate"] = json!(day(&nexo, 90));
    let later = super::made(&company, "employees", &body).await;
    assert_invalid(
        &act(&company, &later, "transfer", &transfer(1)).await,
        &[("/effectiveFrom", "invalid_range")],
    );
    assert_invalid(
        &act(&company, &later, "transfer", &transfer(91)).await,
        &[("/effectiveFrom", "in_future")],
    );
    assert_eq!(act(&company, &later, "transfer", &transfer(90)).await.status, 200);
    assert_invalid(&act(&company, &later, "terminate", &terminate(91)).await, &[("/endDate", "in_future")]);
    assert_eq!(act(&company, &later, "terminate", &terminate(90)).await.status, 200);
}

#[tokio::test]
async fn a_manager_may_be_none_and_is_there_when_somebody_comes_back() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let ([_, hr], [_, lead], one) = staffed(&company).await;
    let (it, dev) = (json!({"id": one["departmentId"]}), json!({"id": one["positionId"]}));
    let boss = employee(&company, "boss", &it, &dev).await;
    let other = employee(&company, "other", &it, &dev).await;
    let led_by = async |action: &str, body: Value| {
        let answer = act(&company, &one, action, &body).await;
        assert_eq!(answer.status, 200, "{action} {body}: {answer:?}");
        answer.body["managerId"].clone()
    };
    let to_lead = json!({"positionId": lead["id"], "managerId": boss["id"]});
    assert_eq!(led_by("promote", to_lead).await, boss["id"]);
    assert_eq!(led_by("transfer", json!({"departmentId": hr["id"]})).await, boss["id"]);
    let back = json!({"departmentId": it["id"], "managerId": null});
    assert_eq!(led_by("transfer", back).await, Value::Null);
    assert_eq!(records(&company, &one).await.len(), 4);
    let boss_again = company.patch(&at("employees", &one), &json!({"managerId": boss["id"]})).await;
    assert_eq!(boss_again.status, 200);
    assert_eq!(led_by("terminate", json!({"endDate": day(&nexo, 0)})).await, boss["id"]);
    // Whoever has left, or is gone, leads nobody who comes back.
    let rehire = json!({"hireDate": day(&nexo, 1)});
    assert_eq!(act(&company, &boss, "terminate", &json!({"endDate": day(&nexo, 0)})).await.status, 200);
    assert_invalid(&act(&company, &one, "rehire", &rehire).await, &[("/managerId", "not_open")]);
    assert_eq!(company.delete(&at("employees", &boss)).await.status, 204);
    assert_invalid(&act(&company, &one, "rehire", &rehire).await, &[("/managerId", "no_such_record")]);
    let alone = json!({"hireDate": day(&nexo, 1), "managerId": null});
    assert_eq!(led_by("rehire", alone).await, Value::Null);
    assert_eq!(company.patch(&at("employees", &one), &json!({"managerId": other["id"]})).await.status, 200);
}

#[tokio::test]
async fn a_record_says_who_wrote_it_and_when() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (_, _, one) = staffed(&company).await;
    let manager = company.colleague("manager").await;
    assert_eq!(act(&manager, &one, "leave", &json!({})).await.status, 200);
    let path = format!("{}/employment-records", at("employees", &one));
    let records = company.get(&path).await.body["data"].clone();
    assert_eq!(
        (&records[0]["createdBy"], &records[0]["createdAt"]),
        (&json!(company.user()), &one["createdAt"])
    );
    assert_eq!(records[1]["createdBy"], manager.user());
    company.get(&format!("{path}?limit=1")).await.assert_problem(400, "invalid_parameter");
}

#[tokio::test]
async fn whoever_comes_back_needs_a_seat_and_a_name() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let (it, one_seat) = (department(&company, "IT", &Value::Null).await, position(&company, "One", 1).await);
    let one = employee(&company, "1", &it, &one_seat).await;
    let restored = async || company.post(&format!("{}/restore", at("employees", &one)), &json!({})).await;
    let refused = |answer: &nexo_tests::Answer, at: &str, code: &str| {
        assert!([409, 422].contains(&answer.status.as_u16()), "{answer:?}");
        assert_eq!(answer.field_errors(), [(at.to_owned(), code.to_owned())], "{answer:?}");
    };
    let not_back = |answer: &nexo_tests::Answer, code: &str, field: &str| {
        answer.assert_problem(409, code);
        assert!(answer.body.to_string().contains(field), "{answer:?}");
    };
    // Frozen, and filled by another.
    assert_eq!(act(&company, &one, "terminate", &json!({"endDate": day(&nexo, 0)})).await.status, 200);
    let rehire = json!({"hireDate": day(&nexo, 1)});
    let set = async |collection: &str, record: &Value, body: Value| {
        assert_eq!(company.patch(&at(collection, record), &body).await.status, 200, "{body}");
    };
    set("positions", &one_seat, json!({"status": "frozen"})).await;
    refused(&act(&company, &one, "rehire", &rehire).await, "/positionId", "not_open");
    set("positions", &one_seat, json!({"status": "open"})).await;
    set("departments", &it, json!({"status": "inactive"})).await;
    refused(&act(&company, &one, "rehire", &rehire).await, "/departmentId", "not_open");
    set("departments", &it, json!({"status": "active"})).await;
    let other = employee(&company, "2", &it, &one_seat).await;
    refused(&act(&company, &one, "rehire", &rehire).await, "/positionId", "full");
    assert_eq!(company.delete(&at("employees", &other)).await.status, 204);
    assert_eq!(act(&company, &one, "rehire", &rehire).await.status, 200);

    // The same of one who was deleted.
    assert_eq!(company.delete(&at("employees", &one)).await.status, 204);
    set("positions", &one_seat, json!({"status": "frozen"})).await;
    not_back(&restored().await, "conflict", "positionId");
    set("positions", &one_seat, json!({"status": "open"})).await;
    let two_seats = position(&company, "Two", 2).await;
    let mut twin = employee_body("3", &it, &two_seats);
    twin["workEmail"] = one["workEmail"].clone();
    let twin = super::made(&company, "employees", &twin).await;
    not_back(&restored().await, "already_exists", "workEmail");
    assert_eq!(company.delete(&at("employees", &twin)).await.status, 204);
    assert_eq!(company.delete(&at("departments", &it)).await.status, 204);
    not_back(&restored().await, "conflict", "departmentId");
    assert_eq!(company.post(&format!("{}/restore", at("departments", &it)), &json!({})).await.status, 200);
    assert_eq!(restored().await.status, 200);
    assert_eq!(now(&company, "departments", &it).await["staff"], 1);
}

#[tokio::test]
async fn somebody_who_had_left_before_has_a_history_too() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let ([it, _], [dev, _], _) = staffed(&company).await;
    let mut body = employee_body("2", &it, &dev);
    body["status"] = json!("terminated");
    body["endDate"] = json!("2026-03-31");
    let gone = super::made(&company, "employees", &body).await;
    assert_eq!(gone["employmentRecordId"], Value::Null);
    assert_eq!(records(&company, &gone).await, history(&[("hire", "2026-01-15", "2026-04-01")]));
    assert_eq!(now(&company, "departments", &it).await["staff"], 1);
}

#[tokio::test]
async fn the_history_of_an_employee_who_is_gone_goes_too() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let mut kept = Vec::new();
    for company in [&company, &company, &other] {
        let number = kept.len().to_string();
        let (department, position) =
            (department(company, &number, &Value::Null).await, position(company, &number, 1).await);
        let one = employee(company, &number, &department, &position).await;
        let lead = super::position(company, &format!("Lead {number}"), 1).await;
        let promoted = act(company, &one, "promote", &json!({"positionId": lead["id"]})).await;
        assert_eq!(promoted.status, 200, "{promoted:?}");
        kept.push(one);
    }
    let entries = async |company: &Company<'_>, one: &Value| {
        let partition = format!("A#{}#REC#{}", company.account(), ulid(one["id"].as_str().unwrap()));
        let body = json!({
            "TableName": nexo.table_name(), "KeyConditionExpression": "pk = :p",
            "ExpressionAttributeValues": {":p": {"S": partition}},
        });
        let token = nexo.tenant_token(&company.account()).await;
        nexo.table_call(Some(&token), "Query", &body).await.1["Count"].as_u64().unwrap()
    };
    assert_eq!(company.delete(&at("employees", &kept[0])).await.status, 204);
    nexo.settled().await;
    assert_eq!(entries(&company, &kept[0]).await, 2);
    // As DynamoDB does it when the item's time is over.
    let key = json!({
        "pk": {"S": format!("A#{}#EMP", company.account())},
        "sk": {"S": ulid(kept[0]["id"].as_str().unwrap())},
    });
    let body = json!({"TableName": nexo.table_name(), "Key": key});
    let token = nexo.tenant_token(&company.account()).await;
    let (status, answer) = nexo.table_call(Some(&token), "DeleteItem", &body).await;
    assert_eq!(status, 200, "{answer}");
    nexo.settled().await;
    assert_eq!(entries(&company, &kept[0]).await, 0);
    assert_eq!(entries(&company, &kept[1]).await, 2);
    assert_eq!(entries(&other, &kept[2]).await, 2);
}
