//! Who leads whom.

use nexo_tests::{Company, Nexo};
use serde_json::{Value, json};

use super::{act, assert_invalid, at, department, employee_body, made, position};

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
    let chart = async || outline(&company.get("/api/employees/org-chart").await.body["data"]);
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
    assert_eq!(act(&company, &all[1], "terminate", &json!({"endDate": "9999-01-01"})).await.status, 200);
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
