//! What narrows the list of employees.

use nexo_tests::Nexo;
use serde_json::{Value, json};

use super::{act, department, employee_body, made, position};

#[tokio::test]
async fn employees_are_found_by_where_and_when_and_whom_they_work_for() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let sales = department(&company, "Sales", &Value::Null).await;
    let north = department(&company, "North", &sales["id"]).await;
    let coast = department(&company, "Coast", &north["id"]).await;
    let it = department(&company, "IT", &Value::Null).await;
    let (dev, rep) = (position(&company, "Dev", 9).await, position(&company, "Rep", 9).await);
    let mut made_before: Vec<Value> = Vec::new();
    for (number, department, position, hired) in [
        ("1", &sales, &rep, "2024-01-01"),
        ("2", &north, &rep, "2025-01-01"),
        ("3", &coast, &dev, "2026-01-01"),
        ("4", &it, &dev, "2026-06-01"),
    ] {
        let mut body = employee_body(number, department, position);
        body["hireDate"] = json!(hired);
        body["managerId"] = made_before.first().map_or(Value::Null, |boss| boss["id"].clone());
        made_before.push(made(&company, "employees", &body).await);
    }
    assert_eq!(act(&company, &made_before[3], "leave", &json!({})).await.status, 200);
    let id = |record: &Value| record["id"].as_str().unwrap().to_owned();
    for (query, wanted) in [
        (format!("departmentId={}", id(&sales)), "1"),
        (format!("withinDepartmentId={}", id(&sales)), "123"),
        (format!("withinDepartmentId={}", id(&north)), "23"),
        (format!("withinDepartmentId={}&positionId={}", id(&sales), id(&dev)), "3"),
        ("withinDepartmentId=dep_01ARZ3NDEKTSV4RRFFQ69G5FAV".to_owned(), ""),
        (format!("positionId={}", id(&dev)), "34"),
        (format!("managerId={}", id(&made_before[0])), "234"),
        ("status=on_leave".to_owned(), "4"),
        ("status=active&hiredUntil=2025-01-01".to_owned(), "12"),
        ("hiredFrom=2025-01-01&hiredUntil=2026-01-01".to_owned(), "23"),
        ("hiredFrom=2026-01-02".to_owned(), "4"),
        ("q=l3".to_owned(), "3"),
        ("sort=-name".to_owned(), "4321"),
        ("sort=name".to_owned(), "1234"),
    ] {
        let page = company.get(&format!("/api/employees?{query}")).await;
        assert_eq!(page.status, 200, "{query}: {page:?}");
        let mut numbers: Vec<_> = page.body["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["employeeNumber"].as_str().unwrap().to_owned())
            .collect();
        if !query.starts_with("sort") {
            numbers.sort_unstable();
        }
        assert_eq!(numbers.concat(), wanted, "{query}");
    }
    for query in ["departmentId=x", "hiredFrom=2026-1-1", "status=gone", "withinDepartmentId=pos_1"] {
        let refused = company.get(&format!("/api/employees?{query}")).await;
        refused.assert_problem(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn a_tree_of_more_than_a_hundred_departments_is_one_filter() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let top = department(&company, "Top", &Value::Null).await;
    let dev = position(&company, "Dev", 9).await;
    for number in 0..205 {
        let part = department(&company, &format!("part {number}"), &top["id"]).await;
        if number % 100 == 50 {
            made(&company, "employees", &employee_body(&number.to_string(), &part, &dev)).await;
        }
    }
    let path = format!("/api/employees?withinDepartmentId={}", top["id"].as_str().unwrap());
    let page = company.get(&path).await;
    assert_eq!(page.body["data"].as_array().unwrap().len(), 2, "{page:?}");
}
