//! Whatever happens at once: one open record, no gap, no seat too many, nobody led by whom they lead.

use std::collections::HashMap;

use nexo_tests::{Company, Nexo};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{act, at, department, employee, position, records};

const PEOPLE: usize = 4;

/// What somebody does to an employee, to which department, position or manager, and on which day of the year in which
/// all were hired on the 15th.
type Step = (usize, u8, usize, u8);

struct World<'a> {
    company: &'a Company<'a>,
    departments: Vec<Value>,
    positions: Vec<Value>,
    people: Vec<Value>,
}

impl<'a> World<'a> {
    /// Two departments; positions of room for all, for one and for two.
    async fn new(company: &'a Company<'a>) -> Self {
        let mut departments = Vec::new();
        for code in ["A", "B"] {
            departments.push(department(company, code, &Value::Null).await);
        }
        let mut positions = Vec::new();
        for (title, headcount) in [("all", 9), ("one", 1), ("two", 2)] {
            positions.push(position(company, title, headcount).await);
        }
        let mut people = Vec::new();
        for number in 0..PEOPLE {
            people.push(employee(company, &number.to_string(), &departments[0], &positions[0]).await);
        }
        Self { company, departments, positions, people }
    }

    async fn apply(&self, (who, kind, which, day): Step) {
        let one = &self.people[who];
        let department = &self.departments[which % 2]["id"];
        let position = &self.positions[which % 3]["id"];
        let manager = &self.people[which % PEOPLE]["id"];
        let path = at("employees", one);
        let day = format!("2026-01-{:02}", 14 + day);
        let act = async |action: &str, body: Value| act(self.company, one, action, &body).await;
        let answer = match kind {
            0 => {
                let body = json!({"departmentId": department, "positionId": position, "effectiveFrom": day});
                act("transfer", body).await
            }
            1 => {
                let body = json!({"departmentId": department, "managerId": manager, "effectiveFrom": day});
                act("transfer", body).await
            }
            2 => act("promote", json!({"positionId": position, "effectiveFrom": day})).await,
            3 => act("leave", json!({"effectiveFrom": day})).await,
            4 => act("return", json!({"effectiveFrom": day})).await,
            5 => act("terminate", json!({"endDate": day})).await,
            6 => act("rehire", json!({"hireDate": day, "managerId": manager})).await,
            7 | 8 => self.company.patch(&path, &json!({"managerId": manager})).await,
            9 => self.company.patch(&path, &json!({"departmentId": department})).await,
            10 => {
                let headcount = json!({"headcount": 1 + which % 3});
                self.company.patch(&at("positions", &self.positions[1]), &headcount).await
            }
            _ => {
                self.company.delete(&path).await;
                self.company.post(&format!("{path}/restore"), &json!({})).await
            }
        };
        assert!([200, 404, 409, 422].contains(&answer.status.as_u16()), "{kind}: {answer:?}");
    }

    async fn all(&self, collection: &str) -> HashMap<String, Value> {
        let page = self.company.get(&format!("/api/{collection}?limit=100")).await.body;
        let by_id = |one: &Value| (one["id"].as_str().unwrap().to_owned(), one.clone());
        page["data"].as_array().unwrap().iter().map(by_id).collect()
    }

    async fn assert_sound(&self) {
        for one in &self.people {
            // Brings back what a delete that lost against a restore has left deleted, if there is a seat.
            self.company.post(&format!("{}/restore", at("employees", one)), &json!({})).await;
        }
        let people = self.all("employees").await;
        let employed: Vec<_> = people.values().filter(|one| one["status"] != "terminated").collect();
        for (collection, field, count) in
            [("departments", "departmentId", "staff"), ("positions", "positionId", "filled")]
        {
            for (id, record) in self.all(collection).await {
                let there = employed.iter().filter(|one| one[field] == json!(id)).count();
                assert_eq!(record[count], there, "{record}");
                if let Some(headcount) = record["headcount"].as_u64() {
                    assert!(there as u64 <= headcount, "{record}");
                }
            }
        }
        for one in people.values() {
            let (mut at, mut steps) = (one, 0);
            while let Some(above) = at["managerId"].as_str().and_then(|boss| people.get(boss)) {
                at = above;
                steps += 1;
                assert!(steps <= PEOPLE, "a cycle: {people:?}");
            }
            let records = records(self.company, one).await;
            let open: Vec<_> = records.iter().filter(|(.., to)| to.is_none()).collect();
            assert_eq!(open.len(), usize::from(one["status"] != "terminated"), "{one} {records:?}");
            for pair in records.windows(2) {
                let (end, next) = (pair[0].2.as_deref().unwrap(), pair[1].1.as_str());
                assert!(end == next || pair[1].0 == "rehire" && end < next, "{records:?}");
            }
            if let [open] = open[..] {
                assert_eq!(one["employmentRecordFrom"], open.1, "{records:?}");
                assert_eq!(open, records.last().unwrap());
            }
        }
    }
}

#[test]
fn no_interleaving_breaks_an_employment_a_headcount_or_a_chart() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let nexo = runtime.block_on(Nexo::start());
    let steps = prop::collection::vec((0..PEOPLE, 0_u8..12, 0_usize..12, 0_u8..12), 4..16);
    proptest!(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() }, |(steps in steps)| {
        runtime.block_on(async {
            let company = nexo.register().await;
            let world = World::new(&company).await;
            futures::future::join_all(steps.iter().map(|step| world.apply(*step))).await;
            world.assert_sound().await;
        });
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_who_want_the_last_seat_one_gets_it() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let world = World::new(&company).await;
    for _ in 0..10 {
        let wanted = json!({"positionId": world.positions[1]["id"]});
        let all = world.people.iter().map(|one| act(&company, one, "promote", &wanted));
        let answers = futures::future::join_all(all).await;
        let got: Vec<_> = (0..PEOPLE).filter(|index| answers[*index].status == 200).collect();
        assert_eq!(got.len(), 1, "{answers:?}");
        let back = json!({"positionId": world.positions[0]["id"]});
        assert_eq!(act(&company, &world.people[got[0]], "promote", &back).await.status, 200);
        world.assert_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_department_is_not_deleted_while_somebody_comes() {
    let nexo = Nexo::start().await;
    let company = nexo.register().await;
    let world = World::new(&company).await;
    for number in 0..20 {
        let new = department(&company, &format!("new {number}"), &Value::Null).await;
        let (path, there) = (at("departments", &new), json!({"departmentId": new["id"]}));
        let one = &world.people[number % PEOPLE];
        let (come, deleted) = tokio::join!(act(&company, one, "transfer", &there), company.delete(&path));
        assert!(
            !(come.status == 200 && deleted.status == 204),
            "somebody works in a deleted department: {come:?} {deleted:?}"
        );
        assert!(come.status == 200 || deleted.status == 204, "{come:?} {deleted:?}");
    }
    world.assert_sound().await;
}
