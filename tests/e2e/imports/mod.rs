//! Imports of records out of files, from the upload to the undoing.

mod employees;
mod mishaps;
mod steps;
mod workbooks;

use std::time::Duration;

use nexo_tests::{Answer, Company, Nexo};
use serde_json::{Value, json};

use crate::uploads::sha256;

pub(super) const CSV: &str = "text/csv";

/// Uploads a file, and answers its id.
pub(crate) async fn uploaded(company: &Company<'_>, name: &str, content_type: &str, bytes: &[u8]) -> String {
    let announcement = json!({
        "name": name, "contentType": content_type, "size": bytes.len(), "sha256": sha256(bytes),
        "category": "other",
    });
    let announced = company.post("/api/uploads", &announcement).await;
    assert_eq!(announced.status, 201, "{announced:?}");
    company.upload(&announced.body, bytes).await;
    announced.body["id"].as_str().unwrap().to_owned()
}

/// An import of a file, once the file was looked at.
pub(crate) async fn proposed(nexo: &Nexo, company: &Company<'_>, resource: &str, text: &[u8]) -> Value {
    let file = uploaded(company, "records.csv", CSV, text).await;
    proposed_of(nexo, company, resource, &file).await
}

/// An import of a file that was uploaded, once it was looked at.
pub(super) async fn proposed_of(nexo: &Nexo, company: &Company<'_>, resource: &str, file: &str) -> Value {
    let created = company.post("/api/imports", &json!({"fileId": file, "resource": resource})).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.body["status"], "reading");
    settled(nexo, company, &created.body).await
}

/// The import when there is nothing more to do for it.
pub(super) async fn settled(nexo: &Nexo, company: &Company<'_>, import: &Value) -> Value {
    for _ in 0..2000 {
        nexo.settled().await;
        let answer = company.get(&path(import)).await;
        if answer.status.is_server_error() {
            // What was to happen to a step has met this.
            continue;
        }
        assert_eq!(answer.status, 200, "{answer:?}");
        let status = answer.body["status"].as_str().unwrap();
        if !["reading", "checking", "running", "undoing"].contains(&status) {
            return answer.body;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it does not end: {:?}", nexo.log().last());
}

pub(super) fn path(import: &Value) -> String {
    format!("/api/imports/{}", import["id"].as_str().unwrap())
}

pub(super) async fn act(company: &Company<'_>, import: &Value, action: &str, body: &Value) -> Answer {
    company.post(&format!("{}/{action}", path(import)), body).await
}

/// Starts an import and waits for its end.
pub(super) async fn started(nexo: &Nexo, company: &Company<'_>, import: &Value, body: &Value) -> Value {
    let answer = act(company, import, "start", body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    settled(nexo, company, import).await
}

pub(super) async fn undone(nexo: &Nexo, company: &Company<'_>, import: &Value) -> Value {
    let answer = act(company, import, "undo", &Value::Null).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    settled(nexo, company, import).await
}

/// The counts of rows: created, updated, unchanged, refused.
pub(super) fn counts(import: &Value) -> [u64; 4] {
    ["created", "updated", "unchanged", "refused"].map(|name| import[name].as_u64().unwrap())
}

/// The rows of all pages of errors: row, column, field and code.
pub(super) async fn errors(company: &Company<'_>, import: &Value) -> Vec<[String; 4]> {
    let pages = company.export(&format!("{}/errors.csv", path(import))).await;
    let text: String = pages.iter().filter_map(|page| page.body.as_str()).collect();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), vec!["row", "column", "field", "code", "message"]);
    let row = |row: csv::StringRecord| [0, 1, 2, 3].map(|cell| row[cell].to_owned());
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// All records of a collection, in the order of their creation, without what differs from one run to the next.
pub(super) async fn records(company: &Company<'_>, collection: &str) -> Vec<Value> {
    let (mut records, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = company.get(&format!("/api/{collection}?limit=100&sort=name{cursor}")).await;
        assert_eq!(page.status, 200, "{page:?}");
        records.extend(page.body["data"].as_array().unwrap().clone());
        match page.body["nextCursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return records,
        }
    }
}

/// Records without what differs from one run to the next.
pub(super) fn plain(mut records: Vec<Value>) -> Vec<Value> {
    for record in &mut records {
        for member in [
            "id",
            "createdAt",
            "updatedAt",
            "createdBy",
            "updatedBy",
            "ownerId",
            "employmentRecordId",
            "departmentId",
            "positionId",
        ] {
            record.as_object_mut().unwrap().remove(member);
        }
    }
    records
}

#[tokio::test]
async fn clients_come_out_of_a_file_with_the_headers_of_people() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let text = "\u{feff}NAME;Tax ID;billing address - city;emails;tags;Notiz;annualRevenue.amountMinor;Annual Revenue Currency\r\n\
        Müller & Söhne;DE1;Köln;\"m@x.example; primary; label=work\nn@x.example\";\"vip\nneu\";x;1000;EUR\r\n\
        ;;;;;;;\r\n\
        \"Zweite; \"\"AG\"\"\";;Bonn;;;;;\r\n";
    let import = proposed(&nexo, &company, "clients", text.as_bytes()).await;
    assert_eq!(import["status"], "proposed", "{import}");
    assert_eq!(import["rows"], 2);
    assert_eq!(import["format"], json!({"delimiter": ";", "windows1252": false, "sheet": null}));
    let columns: Vec<_> =
        import["columns"].as_array().unwrap().iter().map(|one| one["field"].clone()).collect();
    assert_eq!(
        columns,
        [
            json!("name"),
            json!("taxId"),
            json!("billingAddress.city"),
            json!("emails"),
            json!("tags"),
            Value::Null,
            json!("annualRevenue.amountMinor"),
            json!("annualRevenue.currency"),
        ]
    );
    // Tried: nothing is there.
    let tried = started(&nexo, &company, &import, &json!({"dryRun": true})).await;
    assert_eq!((&tried["status"], counts(&tried)), (&json!("checked"), [2, 0, 0, 0]), "{tried}");
    assert_eq!(records(&company, "clients").await, Vec::<Value>::new());
    assert_eq!(errors(&company, &import).await, Vec::<[String; 4]>::new());

    let done = started(&nexo, &company, &import, &json!({"dryRun": false})).await;
    assert_eq!((&done["status"], counts(&done)), (&json!("done"), [2, 0, 0, 0]), "{done}");
    let clients = records(&company, "clients").await;
    assert_eq!(clients.len(), 2);
    assert_eq!(clients[0]["name"], "Müller & Söhne");
    assert_eq!(clients[0]["taxId"], "DE1");
    assert_eq!(clients[0]["tags"], json!(["vip", "neu"]));
    assert_eq!(clients[0]["emails"][0], json!({"value": "m@x.example", "label": "work", "primary": true}));
    assert_eq!(clients[0]["annualRevenue"], json!({"amountMinor": 1000, "currency": "EUR"}));
    assert_eq!(clients[0]["ownerId"], company.user());
    assert_eq!(
        (&clients[1]["name"], &clients[1]["billingAddress"]["city"]),
        (&json!("Zweite; \"AG\""), &json!("Bonn"))
    );
    let page = company.get("/api/imports?status=done&resource=clients").await;
    assert_eq!(page.body["data"], json!([done]));

    let undone = undone(&nexo, &company, &import).await;
    assert_eq!((&undone["status"], &undone["undone"]), (&json!("undone"), &json!(2)), "{undone}");
    assert_eq!(records(&company, "clients").await, Vec::<Value>::new());
    act(&company, &import, "undo", &Value::Null).await.assert_problem(409, "wrong_state");
    act(&company, &import, "start", &json!({"dryRun": false})).await.assert_problem(409, "wrong_state");
    act(&company, &import, "resume", &Value::Null).await.assert_problem(409, "wrong_state");
}

#[tokio::test]
async fn what_the_api_refuses_is_an_error_by_row_and_column() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let taken = json!({"name": "Taken", "taxId": "DE9"});
    assert_eq!(company.post("/api/clients", &taken).await.status, 201);
    let text = "Firma,Steuer,Status,Mails,Umsatz,parentId\n\
        ,,,,,\n\
        A,DE9,,,,\n\
        B,,gone,,,\n\
        C,,,not an address,,\n\
        D,,,,viel,\n\
        E,,,,,cli_01ARZ3NDEKTSV4RRFFQ69G5FAV\n\
        F,,,,,,surplus\n\
        ,DE3,,,,\n\
        Good,,,,,\n";
    let import = proposed(&nexo, &company, "clients", text.as_bytes()).await;
    let mapped = json!([
        {"column": "Firma", "field": "name"}, {"column": "Steuer", "field": "taxId"},
        {"column": "Status", "field": "status"}, {"column": "Mails", "field": "emails"},
        {"column": "Umsatz", "field": "annualRevenue.amountMinor"}, {"column": "parentId", "field": "parentId"},
    ]);
    let wanted = [
        ["3", "Steuer", "taxId", "taken"],
        ["4", "Status", "status", "invalid_choice"],
        ["5", "Mails", "emails.value", "invalid_email"],
        ["6", "Umsatz", "annualRevenue.amountMinor", "invalid_number"],
        ["7", "parentId", "parentId", "no_such_record"],
        ["8", "", "", "too_many_cells"],
        ["9", "Firma", "name", "required"],
    ];
    for (dry_run, names) in [(true, vec!["Taken"]), (false, vec!["Good", "Taken"])] {
        let done = started(&nexo, &company, &import, &json!({"dryRun": dry_run, "columns": mapped})).await;
        assert_eq!(counts(&done), [1, 0, 0, 7], "{done}");
        assert_eq!(errors(&company, &import).await, wanted.map(|row| row.map(str::to_owned)));
        let found: Vec<_> =
            records(&company, "clients").await.iter().map(|one| one["name"].clone()).collect();
        assert_eq!(found, names);
    }
    let errors = company.get(&format!("{}/errors.csv?x=1", path(&import))).await;
    errors.assert_problem(400, "invalid_parameter");
}

#[tokio::test]
async fn a_start_says_which_column_is_which_field() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let import = proposed(&nexo, &company, "clients", b"name,name,other\nA,B,C\n").await;
    let names: Vec<_> =
        import["columns"].as_array().unwrap().iter().map(|one| one["column"].clone()).collect();
    assert_eq!(names, ["name", "#2", "other"]);
    for (body, wanted) in [
        (json!({}), vec![("required", "/dryRun")]),
        (
            json!({"dryRun": true, "columns": [
                {"column": "gone", "field": "name"}, {"column": "#2", "field": "version"},
                {"column": "#2", "field": "name"},
            ]}),
            vec![
                ("no_such_column", "/columns/0/column"),
                ("unknown_field", "/columns/1/field"),
                ("duplicate", "/columns/2/column"),
                ("duplicate", "/columns/2/field"),
            ],
        ),
        (json!({"dryRun": true, "matchBy": "name"}), vec![("invalid_choice", "/matchBy")]),
        (json!({"dryRun": true, "matchBy": "taxId"}), vec![("no_such_column", "/matchBy")]),
        (json!({"dryRun": true, "columns": []}), vec![("empty", "/columns")]),
    ] {
        let answer = act(&company, &import, "start", &body).await;
        let wanted: Vec<_> = wanted.iter().map(|(code, at)| ((*at).to_owned(), (*code).to_owned())).collect();
        assert_eq!((answer.status.as_u16(), answer.field_errors()), (422, wanted), "{body}");
    }
    let columns = json!([{"column": "#2", "field": "name"}]);
    let done = started(&nexo, &company, &import, &json!({"dryRun": false, "columns": columns})).await;
    assert_eq!(counts(&done), [1, 0, 0, 0]);
    assert_eq!(records(&company, "clients").await[0]["name"], "B");
}

#[tokio::test]
async fn rows_change_the_records_that_they_match_and_an_undoing_restores_them() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let body = json!({
        "name": "One", "taxId": "DE1", "externalId": "x1", "industry": "Old", "tags": ["a"],
        "billingAddress": {"city": "Köln", "line1": "Dom 1"},
    });
    let one = company.post("/api/clients", &body).await.body;
    let two = company.post("/api/clients", &json!({"name": "Two", "externalId": "x2"})).await.body;
    let before = plain(records(&company, "clients").await);
    let id = one["id"].as_str().unwrap();
    for (key, keys) in [
        ("id", [id, two["id"].as_str().unwrap(), "", id]),
        ("externalId", ["x1", "x2", "x3", "x1"]),
        ("taxId", ["DE1", "", "DE3", "de 1"]),
    ] {
        let text = format!(
            "{key},name,industry,billingAddress.city\n{},One,New,Bonn\n{},Two,,\n{},Three,,\n{},Again,,\n",
            keys[0], keys[1], keys[2], keys[3]
        );
        let import = proposed(&nexo, &company, "clients", text.as_bytes()).await;
        let done = started(&nexo, &company, &import, &json!({"dryRun": false, "matchBy": key})).await;
        // What has no tax number cannot be matched by it.
        let wanted = if key == "taxId" { [2, 1, 0, 1] } else { [1, 1, 1, 1] };
        assert_eq!(counts(&done), wanted, "{key}: {done} {:?}", errors(&company, &import).await);
        assert_eq!(errors(&company, &import).await[0][..2], ["5", ""].map(str::to_owned), "{key}");
        assert_eq!(errors(&company, &import).await[0][3], "duplicate_record", "{key}");
        let changed = company.get(&format!("/api/clients/{id}")).await.body;
        assert_eq!((&changed["name"], &changed["industry"]), (&json!("One"), &json!("New")));
        assert_eq!(changed["billingAddress"]["city"], "Bonn");
        assert_eq!(changed["billingAddress"]["line1"], "Dom 1");
        assert_eq!(changed["tags"], json!(["a"]));
        let undone = undone(&nexo, &company, &import).await;
        assert_eq!((&undone["status"], &undone["conflicts"]), (&json!("undone"), &json!(0)), "{undone}");
        let after = plain(records(&company, "clients").await);
        let versionless = |mut records: Vec<Value>| {
            for record in &mut records {
                record["version"] = Value::Null;
            }
            records
        };
        assert_eq!(versionless(after), versionless(before.clone()), "{key}");
    }
}

#[tokio::test]
async fn empty_cells_leave_what_is_there_or_take_it_away() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let body = json!({
        "name": "One", "externalId": "x", "industry": "Old", "tags": ["a"], "source": "s",
        "billingAddress": {"city": "Köln", "line1": "Dom 1"}, "annualRevenue": {"amountMinor": 1, "currency": "EUR"},
    });
    assert_eq!(company.post("/api/clients", &body).await.status, 201);
    let text = "externalId,industry,tags,billingAddress.city,billingAddress.line1,annualRevenue.amountMinor,annualRevenue.currency\n\
        x,,,,Dom 2,,\n";
    let import = proposed(&nexo, &company, "clients", text.as_bytes()).await;
    let start = json!({"dryRun": false, "matchBy": "externalId", "emptyCells": "clear"});
    let done = started(&nexo, &company, &import, &start).await;
    assert_eq!(counts(&done), [0, 1, 0, 0], "{done} {:?}", errors(&company, &import).await);
    let found = &records(&company, "clients").await[0];
    assert_eq!(found["industry"], Value::Null);
    assert_eq!(found["tags"], json!([]));
    assert_eq!(found["source"], "s");
    assert_eq!(found["annualRevenue"], Value::Null);
    assert_eq!(
        (&found["billingAddress"]["line1"], &found["billingAddress"]["city"]),
        (&json!("Dom 2"), &Value::Null)
    );
    // What has no column stays, also next to what has one.
    let import = proposed(&nexo, &company, "clients", b"externalId,billingAddress.city\nx,\n").await;
    assert_eq!(counts(&started(&nexo, &company, &import, &start).await), [0, 0, 1, 0]);
    let import = proposed(&nexo, &company, "clients", b"externalId,billingAddress.line1\nx,\n").await;
    let address = json!({"billingAddress": {"city": "K\u{f6}ln"}});
    assert_eq!(
        company.patch(&format!("/api/clients/{}", found["id"].as_str().unwrap()), &address).await.status,
        200
    );
    assert_eq!(counts(&started(&nexo, &company, &import, &start).await), [0, 1, 0, 0]);
    let found = &records(&company, "clients").await[0];
    assert_eq!(found["billingAddress"]["city"], "K\u{f6}ln");
    assert_eq!(found["billingAddress"]["line1"], Value::Null);
    let import = proposed(&nexo, &company, "clients", b"externalId,name\nx,\n").await;
    let done = started(&nexo, &company, &import, &start).await;
    assert_eq!(counts(&done), [0, 0, 0, 1]);
    assert_eq!(errors(&company, &import).await[0][1..], ["name", "name", "required"].map(str::to_owned));
}

#[tokio::test]
async fn nothing_is_imported_out_of_a_file_that_was_deleted() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let import = proposed(&nexo, &company, "clients", b"name\nA\n").await;
    let file = format!("/api/uploads/{}", import["fileId"].as_str().unwrap());
    assert_eq!(company.delete(&file).await.status, 204);
    let path = format!("/api/imports/{}", import["id"].as_str().unwrap());
    let begun = company.post(&format!("{path}/start"), &json!({"dryRun": false})).await;
    assert_eq!(begun.status, 202, "{begun:?}");
    nexo.settled().await;
    let failed = company.get(&path).await.body;
    assert_eq!((&failed["status"], &failed["reason"]), (&json!("failed"), &json!("file_gone")));
    assert_eq!(records(&company, "clients").await.len(), 0);
    // It goes on once the file is there again.
    assert_eq!(company.post(&format!("{file}/restore"), &json!({})).await.status, 200);
    assert_eq!(company.post(&format!("{path}/resume"), &json!({})).await.status, 202);
    nexo.settled().await;
    assert_eq!(records(&company, "clients").await.len(), 1);
}

#[tokio::test]
async fn what_was_changed_since_is_not_undone() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let import = proposed(&nexo, &company, "clients", b"name\nA\nB\nC\n").await;
    assert_eq!(counts(&started(&nexo, &company, &import, &json!({"dryRun": false})).await), [3, 0, 0, 0]);
    let clients = records(&company, "clients").await;
    let at = |client: &Value| format!("/api/clients/{}", client["id"].as_str().unwrap());
    assert_eq!(company.patch(&at(&clients[0]), &json!({"name": "Changed"})).await.status, 200);
    assert_eq!(company.delete(&at(&clients[1])).await.status, 204);
    let undone = undone(&nexo, &company, &import).await;
    assert_eq!((&undone["undone"], &undone["conflicts"]), (&json!(1), &json!(2)), "{undone}");
    let listed = errors(&company, &import).await;
    let listed: Vec<_> = listed.iter().map(|row| (row[0].as_str(), row[3].as_str())).collect();
    assert_eq!(listed, [("2", "changed_since"), ("3", "not_found")]);
    let left: Vec<_> = records(&company, "clients").await.iter().map(|one| one["name"].clone()).collect();
    assert_eq!(left, ["Changed"]);
}

#[tokio::test]
async fn a_file_is_one_that_the_caller_may_read_and_that_can_be_read() {
    let nexo = Nexo::start().await;
    let (company, other) = (nexo.register().await, nexo.register().await);
    let file = uploaded(&company, "a.csv", CSV, b"name\nA\n").await;
    let create = |file: &str| json!({"fileId": file, "resource": "clients"});
    let refused = |answer: Answer, code: &str| {
        assert_eq!(answer.field_errors(), [("/fileId".to_owned(), code.to_owned())], "{answer:?}");
    };
    refused(other.post("/api/imports", &create(&file)).await, "no_such_record");
    let member = company.colleague("member").await;
    member.post("/api/imports", &create(&file)).await.assert_problem(403, "permission_denied");
    let text = uploaded(&company, "a.txt", "text/plain", b"name\nA\n").await;
    refused(company.post("/api/imports", &create(&text)).await, "unsupported_type");
    let pending =
        json!({"name": "b.csv", "contentType": CSV, "size": 1, "sha256": sha256(b"a"), "category": "other"});
    let pending = company.post("/api/uploads", &pending).await.body;
    refused(company.post("/api/imports", &create(pending["id"].as_str().unwrap())).await, "not_available");

    for (text, reason) in [
        (b"\n\n".to_vec(), "no_header"),
        (format!("name\n{}\n", "x".repeat(1_100_000)).into_bytes(), "row_too_long"),
        (format!("name\n{}", "x\n".repeat(100_001)).into_bytes(), "too_many_rows"),
        (format!("{}\n", "x,".repeat(201)).into_bytes(), "too_many_columns"),
    ] {
        let import = proposed(&nexo, &company, "clients", &text).await;
        assert_eq!(
            (&import["status"], &import["reason"], &import["failedWhile"]),
            (&json!("failed"), &json!(reason), &json!("reading")),
        );
        act(&company, &import, "start", &json!({"dryRun": true})).await.assert_problem(409, "wrong_state");
    }
    // The first 4 KB of a file must be UTF-8 for the upload; what comes later need not be.
    let mut text = format!("name\n{}", "Plain\n".repeat(1000)).into_bytes();
    text.extend(b"M\xfcller \x80\n");
    let import = proposed(&nexo, &company, "clients", &text).await;
    assert_eq!(import["format"]["windows1252"], true);
}
