//! Who leads whom.

use nexo_tests::{Company, Nexo};
use serde_json::{Value, json};

use super::{act, assert_invalid, at, day, department, employee_body, made, position};

/// Employees, each led by the one of the number before the colon.
async fn led(company: &Company<'_>, who: &[(&str, &str)]) -> Vec<Value> {
    let it = department(company, "IT", &Value::Null).await;
    let dev = position(company, "Dev", 50).await;
    let mut all: Vec<Value> = Vec::new();
    for (number, boss) in who {
        let mut body = employee_body(number, &it, &dev);
        let boss = all.iter().find(|one| one["employeeNumber"] == *boss);
        body["managerId"] = boss.map_or(Value::Null, |boss| boss["id"].clone());
        all.push(made(company, "employees", &body).await);
    }
    all
}

fn outline(nodes: &Value) -> String {
    let nodes = nodes.as_array().unwrap().iter();
    let text =
        |node: &Value| format!("{}({})", node["employeeNumber"].as_str().unwrap(), outline(&node["reports"]));
    nodes.map(text).collect()
}

#[tokio::test]
async fn a_chart_shows_who_leads_whom_in_one_call() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let all = led(&company, &[("1", ""), ("2", "1"), ("3", "1"), ("4", "2"), ("5", "4"), ("6", "")]).await;
    let chart = async || {
        let chart = company.get("/api/employees/org-chart").await;
        assert_eq!(chart.status, 200, "{chart:?} {:?}", nexo.log().last());
        outline(&chart.body["data"])
    };
    assert_eq!(chart().await, "1(2(4(5()))3())6()");
    let reports = async |one: usize, query: &str| {
        let answer = company.get(&format!("{}/reports{query}", at("employees", &all[one]))).await;
        assert_eq!((answer.status.as_u16(), &answer.body["isComplete"]), (200, &json!(true)), "{answer:?}");
        outline(&answer.body["data"])
    };
    assert_eq!(reports(0, "").await, "2()3()");
    assert_eq!(reports(0, "?depth=direct").await, "2()3()");
    assert_eq!(reports(0, "?depth=all").await, "2(4(5()))3()");
    assert_eq!(reports(4, "?depth=all").await, "");
    // Whoever has left is not there, and whom they led is led from above.
    assert_eq!(act(&company, &all[1], "terminate", &json!({"endDate": day(&nexo, 0)})).await.status, 200);
    assert_eq!(chart().await, "1(3()4(5()))6()");
    assert_eq!(reports(0, "").await, "3()4()");
    assert_eq!(company.delete(&at("employees", &all[0])).await.status, 204);
    assert_eq!(chart().await, "3()4(5())6()");
    let path = at("employees", &all[2]);
    for query in ["?depth=2", "?limit=1"] {
        let refused = company.get(&format!("{path}/reports{query}")).await;
        refused.assert_problem(400, "invalid_parameter");
    }
    company.get("/api/employees/org-chart?depth=all").await.assert_problem(400, "invalid_parameter");
    let gone = company.get("/api/employees/emp_01ARZ3NDEKTSV4RRFFQ69G5FAV/reports").await;
    gone.assert_problem(404, "not_found");
}

#[tokio::test]
async fn whom_somebody_led_who_was_deleted_is_led_from_above() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let all = led(&company, &[("1", ""), ("2", "1"), ("3", "2"), ("4", "3")]).await;
    for one in [1, 2] {
        assert_eq!(company.delete(&at("employees", &all[one])).await.status, 204);
    }
    assert_eq!(outline(&company.get("/api/employees/org-chart").await.body["data"]), "1(4())");
    let reports = company.get(&format!("{}/reports?depth=all", at("employees", &all[0]))).await;
    assert_eq!(outline(&reports.body["data"]), "4()");
}

#[tokio::test]
async fn nobody_leads_whoever_leads_them() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let all = led(&company, &[("1", ""), ("2", "1"), ("3", "2")]).await;
    for (one, boss) in [(0, 0), (0, 1), (0, 2), (1, 2)] {
        let body = json!({"managerId": all[boss]["id"]});
        let refused = company.patch(&at("employees", &all[one]), &body).await;
        assert_invalid(&refused, &[("/managerId", "cycle")]);
    }
    let department = department(&company, "HR", &Value::Null).await;
    let transfer = json!({"departmentId": department["id"], "managerId": all[2]["id"]});
    let refused = act(&company, &all[0], "transfer", &transfer).await;
    assert_invalid(&refused, &[("/managerId", "cycle")]);
}

#[tokio::test]
async fn nobody_who_has_left_becomes_a_manager_or_a_head() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let all = led(&company, &[("1", ""), ("2", "1"), ("3", "")]).await;
    assert_eq!(act(&company, &all[0], "terminate", &json!({"endDate": "2026-06-30"})).await.status, 200);
    let left = &all[0]["id"];
    let named = company.patch(&at("employees", &all[2]), &json!({"managerId": left})).await;
    assert_invalid(&named, &[("/managerId", "not_open")]);
    let it = json!({"id": all[0]["departmentId"]});
    let headed = company.patch(&at("departments", &it), &json!({"headEmployeeId": left})).await;
    assert_invalid(&headed, &[("/headEmployeeId", "not_open")]);
    // Who is led already stays so until somebody else leads them.
    let renamed = company.patch(&at("employees", &all[1]), &json!({"lastName": "Byron"})).await;
    assert_eq!((renamed.status.as_u16(), &renamed.body["managerId"]), (200, left), "{renamed:?}");
    let rehired = act(&company, &all[0], "rehire", &json!({"hireDate": "2026-07-01"})).await;
    assert_eq!(rehired.status, 200, "{rehired:?}");
    assert_eq!(company.patch(&at("employees", &all[2]), &json!({"managerId": left})).await.status, 200);
    assert_eq!(company.patch(&at("departments", &it), &json!({"headEmployeeId": left})).await.status, 200);
}

#[tokio::test]
async fn a_chart_has_fifty_levels_and_says_when_there_are_more() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let numbers: Vec<String> = (0..=60).map(|number| number.to_string()).collect();
    let (mut all, it) = (Vec::new(), department(&company, "IT", &Value::Null).await);
    let dev = position(&company, "Dev", 100).await;
    for number in &numbers {
        all.push(made(&company, "employees", &employee_body(number, &it, &dev)).await);
    }
    // A path upwards has 20 steps at most.
    for pair in all[..=20].windows(2) {
        let led = company.patch(&at("employees", &pair[1]), &json!({"managerId": pair[0]["id"]})).await;
        assert_eq!(led.status, 200, "{led:?}");
    }
    let led = company.patch(&at("employees", &all[21]), &json!({"managerId": all[20]["id"]})).await;
    assert_invalid(&led, &[("/managerId", "too_deep")]);
    assert_eq!(company.patch(&at("employees", &all[20]), &json!({"managerId": null})).await.status, 200);
    // Built from below it can be longer.
    for pair in all.windows(2).rev() {
        let led = company.patch(&at("employees", &pair[1]), &json!({"managerId": pair[0]["id"]})).await;
        assert_eq!(led.status, 200, "{led:?}");
    }
    let chart = company.get("/api/employees/org-chart").await;
    let depth = std::iter::successors(chart.body["data"].get(0), |node| node["reports"].get(0)).count();
    assert_eq!((depth, &chart.body["isComplete"]), (50, &json!(false)));
    let reports = company.get(&format!("{}/reports?depth=all", at("employees", &all[30]))).await;
    assert_eq!(reports.body["isComplete"], true, "{reports:?}");
    // Several who have left, one above the other, are passed over.
    for one in &all[1..40] {
        assert_eq!(act(&company, one, "terminate", &json!({"endDate": day(&nexo, 0)})).await.status, 200);
    }
    let chart = company.get("/api/employees/org-chart").await;
    assert_eq!(outline(&chart.body["data"]).matches('(').count(), 22, "{chart:?}");
    assert_eq!(chart.body["isComplete"], true);
    assert_eq!(chart.body["data"][0]["reports"][0]["employeeNumber"], "40");
}
