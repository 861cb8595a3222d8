//! How somebody was employed, and what changes it.
//!
//! A record says how somebody was employed from one day to another. Records are added and ended, never
//! changed, each in the transaction that changes the employee: so at most one is open, none overlap, and
//! between a hire and a termination there is no gap.

use axum::extract::RawQuery;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Access, Id, Operation, Problem, Tenant, Verb, json, no_parameters, shape};
use nexo_domain::{
    Date, DepartmentId, EmployeeId, EmploymentRecordId, IdKind as _, Permission, PositionId, Text, Timestamp,
    UserId, kind,
};
use nexo_store::{Beside, Entity, StoreError};
use serde::{Deserialize, Serialize};

use crate::employee::{Employee, EmployeeStatus, EmploymentType};

/// A time in which nothing of somebody's employment changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct EmploymentRecord {
    /// The id.
    pub id: EmploymentRecordId,
    /// Where the employee worked.
    pub department_id: DepartmentId,
    /// What the employee was employed as.
    pub position_id: PositionId,
    /// Who led the employee.
    pub manager_id: Option<EmployeeId>,
    /// How the employee was employed.
    pub employment_type: EmploymentType,
    /// The first day.
    pub effective_from: Date,
    /// The first day on which it was so no more; none while it is.
    pub effective_to: Option<Date>,
    /// What began it.
    pub reason: EmploymentReason,
    /// What is to be said of that.
    pub note: Option<Text<1000>>,
}

/// What begins a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EmploymentReason {
    Hire,
    Promotion,
    Transfer,
    TitleChange,
    Leave,
    Return,
    Termination,
    Rehire,
}

/// What happens with a change of an employee.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// From which day on.
    pub from: Date,
    /// What it is.
    pub reason: EmploymentReason,
    /// What is to be said of it.
    pub note: Option<Text<1000>>,
}

impl Event {
    /// What a change is by its fields alone; `None` when it is none of the employment.
    fn of(before: Option<&Employee>, after: &Employee, today: Date) -> Option<Self> {
        let event = |reason, from| Some(Self { from, reason, note: None });
        let Some(before) = before else { return event(EmploymentReason::Hire, after.hire_date) };
        // Nothing happens before what happened last.
        let now = before.employment_record_from.map_or(today, |last| last.max(today));
        match (before.is_terminated(), after.is_terminated()) {
            (true, true) => return None,
            (true, false) => return event(EmploymentReason::Rehire, after.hire_date),
            (false, true) => {
                return event(EmploymentReason::Termination, after.end_date.unwrap_or(today).next());
            }
            (false, false) => {}
        }
        let on_leave = |employee: &Employee| employee.status == EmployeeStatus::OnLeave;
        if on_leave(before) != on_leave(after) {
            event(if on_leave(after) { EmploymentReason::Leave } else { EmploymentReason::Return }, now)
        } else if (before.department_id, before.manager_id) != (after.department_id, after.manager_id) {
            event(EmploymentReason::Transfer, now)
        } else if (before.position_id, before.employment_type) != (after.position_id, after.employment_type) {
            event(EmploymentReason::TitleChange, now)
        } else {
            None
        }
    }
}

/// Ends the open record and begins the next, if the employment changes.
pub(crate) fn follow(
    before: Option<&Entity<Employee>>,
    after: &mut Entity<Employee>,
) -> Result<Vec<Beside>, StoreError> {
    let id = record_id(after);
    let was = before.map(|before| &before.input.fields);
    let employee = &mut after.input.fields;
    let given = employee.event.take();
    let Some(event) = given.or_else(|| Event::of(was, employee, after.updated_at.date())) else {
        return Ok(Vec::new());
    };
    let ended = was.and_then(|was| was.employment_record_id);
    let is_over = employee.is_terminated();
    employee.employment_record_id = (!is_over).then_some(id);
    employee.employment_record_from = (!is_over).then_some(event.from);
    // What is over at once is a day without length: the termination, or the employment of somebody who had
    // left before.
    let over = match event.reason {
        EmploymentReason::Hire => employee.end_date.map(Date::next),
        _ => Some(event.from),
    };
    let record = EmploymentRecord {
        id,
        department_id: employee.department_id,
        position_id: employee.position_id,
        manager_id: employee.manager_id,
        employment_type: employee.employment_type,
        effective_from: event.from,
        effective_to: over.filter(|_| is_over),
        reason: event.reason,
        note: event.note,
    };
    let ended = ended.map(|id| Beside::end(&id, "effectiveTo", &event.from));
    ended.into_iter().chain([Beside::add(&id, &record)?]).map(Ok).collect()
}

/// The id of the record that a write adds. It follows from the write, and ids of later ones sort later.
fn record_id(employee: &Entity<Employee>) -> EmploymentRecordId {
    let version = employee.version.to_be_bytes();
    let own = employee.id.to_bytes();
    let mut random = [0; 10];
    random[..4].copy_from_slice(&version[4..]);
    random[4..].copy_from_slice(&own[10..]);
    EmploymentRecordId::from_parts(u64::try_from(employee.updated_at.as_millis()).unwrap_or_default(), random)
}

pub(crate) const LIST: Operation = Operation {
    method: Verb::Get,
    path: "/{id}/employment-records",
    id: "listEmploymentRecords",
    summary: "How somebody was employed, oldest first",
    access: Access::Needs(Permission::EmployeeRead),
    problems: &[400, 404],
    success: 200,
    shape: shape!(|draft| _ = draft.id::<kind::Employee>().answer::<EmploymentRecords>()),
};

/// A record, with who wrote it.
#[derive(Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct WrittenRecord {
    #[serde(flatten)]
    record: EmploymentRecord,
    /// When it was added.
    created_at: Option<Timestamp>,
    /// By whom.
    created_by: Option<UserId>,
}

/// The records of an employee: there are few enough for one answer.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct EmploymentRecords {
    data: Vec<WrittenRecord>,
    next_cursor: Option<String>,
}

/// `GET /api/employees/{id}/employment-records`.
pub(crate) async fn list(
    tenant: Tenant,
    Id(id): Id<kind::Employee>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    no_parameters(query)?;
    tenant.get::<Employee>(&id).await?;
    let mut data: Vec<WrittenRecord> = tenant.history(kind::EmploymentRecord::KIND, &id).await?;
    // Of two that begin on a day, the one that ended then was first; ids are by clocks that may differ.
    data.sort_by_key(|WrittenRecord { record, .. }| {
        (record.effective_from, record.effective_to.is_none(), record.effective_to, record.id)
    });
    Ok(json(StatusCode::OK, &EmploymentRecords { data, next_cursor: None }))
}
