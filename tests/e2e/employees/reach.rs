//! What a caller names whose role reaches its own records only.

use nexo_tests::Nexo;
use serde_json::{Value, json};

use super::{act, assert_invalid, at, department, employee, employee_body, made, position};

const NEVER: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

#[tokio::test]
async fn nobody_names_what_is_out_of_reach() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let it = department(&company, "IT", &Value::Null).await;
    let (dev, seat) = (position(&company, "Dev", 9).await, position(&company, "Seat", 1).await);
    let closed = made(&company, "positions", &json!({"title": "Old", "status": "closed"})).await;
    let boss = employee(&company, "boss", &it, &seat).await;
    let officer = company
        .colleague_who_may(&[
            "department:read:own",
            "department:write:own",
            "position:read:own",
            "position:write:own",
            "employee:read:own",
            "employee:write:own",
            "employee:delete:own",
        ])
        .await;
    let mine = department(&officer, "Mine", &Value::Null).await;
    let chair = position(&officer, "Chair", 9).await;

    // Whether it is there, full or closed: in the same words as for one that never was.
    let never = json!({"id": format!("dep_{NEVER}")});
    let no_position = json!({"id": format!("pos_{NEVER}")});
    for (field, department, position) in [
        ("/departmentId", &it, &chair),
        ("/departmentId", &never, &chair),
        ("/positionId", &mine, &dev),
        ("/positionId", &mine, &seat),
        ("/positionId", &mine, &closed),
        ("/positionId", &mine, &no_position),
    ] {
        let answer = officer.post("/api/employees", &employee_body("e", department, position)).await;
        assert_invalid(&answer, &[(field, "no_such_record")]);
    }
    let own = employee(&officer, "own", &mine, &chair).await;
    let path = at("employees", &own);
    for (collection, one, change) in [
        ("employees", &own, json!({"managerId": boss["id"]})),
        ("employees", &own, json!({"managerId": format!("emp_{NEVER}")})),
        ("departments", &mine, json!({"headEmployeeId": boss["id"]})),
        ("departments", &mine, json!({"headEmployeeId": format!("emp_{NEVER}")})),
        ("departments", &mine, json!({"parentId": it["id"]})),
        ("positions", &chair, json!({"departmentId": it["id"]})),
    ] {
        let field = format!("/{}", change.as_object().unwrap().keys().next().unwrap());
        let answer = officer.patch(&at(collection, one), &change).await;
        assert_invalid(&answer, &[(&field, "no_such_record")]);
    }
    // Nor is anything told of the tree that it would be in.
    let mut below = mine["id"].clone();
    for level in 0..7 {
        below = department(&company, &format!("L{level}"), &below).await["id"].clone();
    }
    for (one, parent) in [
        (json!({"name": "x", "code": "x", "parentId": below}), None),
        (json!({"parentId": below}), Some(&mine)),
    ] {
        let answer = match parent {
            None => officer.post("/api/departments", &one).await,
            Some(mine) => officer.patch(&at("departments", mine), &one).await,
        };
        assert_invalid(&answer, &[("/parentId", "no_such_record")]);
    }
    let transfer = act(&officer, &own, "transfer", &json!({"departmentId": it["id"]})).await;
    assert_invalid(&transfer, &[("/departmentId", "no_such_record")]);

    // Where others put somebody is no obstacle to a change, an end, another begin, or a way back.
    let mut moved = json!({"departmentId": it["id"], "positionId": dev["id"], "managerId": boss["id"]});
    moved["effectiveFrom"] = json!("2026-01-20");
    assert_eq!(act(&company, &own, "transfer", &moved).await.status, 200);
    let renamed = officer.patch(&path, &json!({"lastName": "Byron", "employeeNumber": "own-2"})).await;
    assert_eq!((renamed.status.as_u16(), &renamed.body["managerId"]), (200, &boss["id"]));
    let ended = act(&officer, &own, "terminate", &json!({"endDate": "2026-02-01"})).await;
    assert_eq!(ended.status, 200, "{ended:?}");
    let back = act(&officer, &own, "rehire", &json!({"hireDate": "2026-02-02"})).await;
    assert_eq!(back.status, 200, "{back:?}");
    assert_eq!(officer.delete(&path).await.status, 204);
    let restored = officer.post(&format!("{path}/restore"), &json!({})).await;
    assert_eq!((restored.status.as_u16(), &restored.body["departmentId"]), (200, &it["id"]));
}
