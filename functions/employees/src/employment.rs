//! How somebody was employed, and what changes it.
//!
//! A record says how somebody was employed from one day to another. Records are added and ended, never
//! changed, each in the transaction that changes the employee: so at most one is open, none overlap, and
//! between a hire and a termination there is no gap.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::StatusCode;
use nexo_api::{
    Access, Body, Code, Id, IfMatch, Input as BodyInput, Operation, Platform, Problem, Tenant, Verb, json,
    no_parameters, revise, shape,
};
use nexo_domain::{
    Date, DepartmentId, EmployeeId, EmploymentRecordId, IdKind as _, Permission, PositionId, Text, Timestamp,
    UserId, kind,
};
use nexo_store::{Beside, Entity, Input, StoreError};
use serde::{Deserialize, Deserializer, Serialize};

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
    let Some(event) = given.or_else(|| Event::of(was, employee, day_of(after.updated_at))) else {
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

fn day_of(moment: Timestamp) -> Date {
    moment.date()
}

const CHANGES: &[u16] = &[400, 404, 409, 412, 413, 415, 422];

pub(crate) const OPERATIONS: [Operation; 7] = [
    Operation {
        method: Verb::Get,
        path: "/{id}/employment-records",
        id: "listEmploymentRecords",
        summary: "How somebody was employed, oldest first",
        access: Access::Needs(Permission::EmployeeRead),
        problems: &[400, 404],
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::Employee>().answer::<EmploymentRecords>()),
    },
    change::<EmployeeTransfer>(
        "/{id}/transfer",
        "transferEmployee",
        "Moves an employee to another department",
    ),
    change::<EmployeePromotion>("/{id}/promote", "promoteEmployee", "Gives an employee another position"),
    change::<EmployeeLeave>("/{id}/leave", "sendEmployeeOnLeave", "Notes that an employee is on leave"),
    change::<EmployeeReturn>(
        "/{id}/return",
        "endLeaveOfEmployee",
        "Notes that an employee is back from leave",
    ),
    change::<EmployeeTermination>("/{id}/terminate", "terminateEmployee", "Ends an employment"),
    change::<EmployeeRehire>("/{id}/rehire", "rehireEmployee", "Employs somebody again who has left"),
];

const fn change<T: Change>(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation {
        method: Verb::Post,
        path,
        id,
        summary,
        access: Access::Needs(Permission::EmployeeWrite),
        problems: CHANGES,
        success: 200,
        shape: shape!(|draft| _ = draft.id::<kind::Employee>().if_match().body::<T>().record::<Employee>()),
    }
}

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

/// A body that changes an employment.
pub(crate) trait Change: BodyInput + nexo_api::Described {
    /// Makes the change, and says what happens with it.
    fn make(&self, employee: &mut Employee, today: Date) -> Result<Event, Problem>;
}

/// The handler of a change.
pub(crate) async fn make<T: Change + Sync>(
    State(platform): State<Platform>,
    tenant: Tenant,
    Id(id): Id<kind::Employee>,
    IfMatch(expected): IfMatch,
    Body(change): Body<T>,
) -> Result<Response, Problem> {
    let today = day_of(platform.clock.now());
    revise(&tenant, &id, expected, |current: &Entity<Employee>| {
        let mut input: Input<Employee> = current.input.clone();
        let event = change.make(&mut input.fields, today)?;
        input.fields.event = Some(event);
        Ok(input)
    })
    .await
}

/// What is given, be it null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
}

/// Declares the body of a change.
macro_rules! changes {
    ($($(#[$doc:meta])* $name:ident $sample:literal { $($(#[$field_doc:meta])* $field:ident: $type:ty,)+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Deserialize)]
            #[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            pub(crate) struct $name {
                $($(#[$field_doc])* $field: $type,)+
                /// What is to be said of it.
                note: Option<Text<1000>>,
            }

            impl BodyInput for $name {
                const SAMPLE: &'static str = $sample;
            }
        )+
    };
}

changes! {
    /// A move to another department.
    EmployeeTransfer r#"{"departmentId":"dep_01ARZ3NDEKTSV4RRFFQ69G5FAV"}"# {
        /// The new department.
        department_id: DepartmentId,
        /// The new position, where it changes, too.
        position_id: Option<PositionId>,
        /// The new manager, where it changes, too; null for none.
        #[serde(default, deserialize_with = "given")]
        #[cfg_attr(feature = "openapi", schemars(with = "Option<EmployeeId>"))]
        manager_id: Option<Option<EmployeeId>>,
        /// From which day on: today, unless given.
        effective_from: Option<Date>,
    }
    /// Another position.
    EmployeePromotion r#"{"positionId":"pos_01ARZ3NDEKTSV4RRFFQ69G5FAV"}"# {
        /// The new position.
        position_id: PositionId,
        /// The new department, where it changes, too.
        department_id: Option<DepartmentId>,
        /// The new manager, where it changes, too; null for none.
        #[serde(default, deserialize_with = "given")]
        #[cfg_attr(feature = "openapi", schemars(with = "Option<EmployeeId>"))]
        manager_id: Option<Option<EmployeeId>>,
        /// From which day on: today, unless given.
        effective_from: Option<Date>,
    }
    /// The begin of a leave.
    EmployeeLeave "{}" {
        /// From which day on: today, unless given.
        effective_from: Option<Date>,
    }
    /// The end of a leave.
    EmployeeReturn "{}" {
        /// The first day back: today, unless given.
        effective_from: Option<Date>,
    }
    /// The end of an employment.
    EmployeeTermination r#"{"endDate":"2026-06-30"}"# {
        /// The last day.
        end_date: Date,
    }
    /// Another employment after one that ended.
    EmployeeRehire r#"{"hireDate":"2026-07-01"}"# {
        /// The first day.
        hire_date: Date,
        /// The department, where it is not the last one.
        department_id: Option<DepartmentId>,
        /// The position, where it is not the last one.
        position_id: Option<PositionId>,
        /// The manager, where it is not the last one; null for none.
        #[serde(default, deserialize_with = "given")]
        #[cfg_attr(feature = "openapi", schemars(with = "Option<EmployeeId>"))]
        manager_id: Option<Option<EmployeeId>>,
        /// How, where it is not as before.
        employment_type: Option<EmploymentType>,
    }
}

impl Change for EmployeeTransfer {
    fn make(&self, employee: &mut Employee, today: Date) -> Result<Event, Problem> {
        let is_same = employee.department_id == self.department_id;
        in_employment(employee)?;
        differs("/departmentId", is_same)?;
        let event =
            dated(employee, EmploymentReason::Transfer, self.effective_from, today, self.note.as_ref())?;
        place(employee, Some(self.department_id), self.position_id, self.manager_id);
        Ok(event)
    }
}

impl Change for EmployeePromotion {
    fn make(&self, employee: &mut Employee, today: Date) -> Result<Event, Problem> {
        let is_same = employee.position_id == self.position_id;
        in_employment(employee)?;
        differs("/positionId", is_same)?;
        let event =
            dated(employee, EmploymentReason::Promotion, self.effective_from, today, self.note.as_ref())?;
        place(employee, self.department_id, Some(self.position_id), self.manager_id);
        Ok(event)
    }
}

impl Change for EmployeeLeave {
    fn make(&self, employee: &mut Employee, today: Date) -> Result<Event, Problem> {
        in_employment(employee)?;
        if employee.status == EmployeeStatus::OnLeave {
            return Err(wrong_state("The employee is on leave already."));
        }
        employee.status = EmployeeStatus::OnLeave;
        dated(employee, EmploymentReason::Leave, self.effective_from, today, self.note.as_ref())
    }
}

impl Change for EmployeeReturn {
    fn make(&self, employee: &mut Employee, today: Date) -> Result<Event, Problem> {
        if employee.status != EmployeeStatus::OnLeave {
            return Err(wrong_state("The employee is not on leave."));
        }
        employee.status = EmployeeStatus::Active;
        dated(employee, EmploymentReason::Return, self.effective_from, today, self.note.as_ref())
    }
}

impl Change for EmployeeTermination {
    fn make(&self, employee: &mut Employee, _: Date) -> Result<Event, Problem> {
        in_employment(employee)?;
        employee.status = EmployeeStatus::Terminated;
        employee.end_date = Some(self.end_date);
        Ok(Event {
            from: self.end_date.next(),
            reason: EmploymentReason::Termination,
            note: self.note.clone(),
        })
    }
}

impl Change for EmployeeRehire {
    fn make(&self, employee: &mut Employee, _: Date) -> Result<Event, Problem> {
        if !employee.is_terminated() {
            return Err(wrong_state("The employment was not terminated."));
        }
        employee.status = EmployeeStatus::Active;
        employee.end_date = None;
        employee.hire_date = self.hire_date;
        employee.employment_type = self.employment_type.unwrap_or(employee.employment_type);
        place(employee, self.department_id, self.position_id, self.manager_id);
        Ok(Event { from: self.hire_date, reason: EmploymentReason::Rehire, note: self.note.clone() })
    }
}

#[expect(clippy::option_option, reason = "absent, null and a value are three different things")]
fn place(
    employee: &mut Employee,
    department: Option<DepartmentId>,
    position: Option<PositionId>,
    manager: Option<Option<EmployeeId>>,
) {
    employee.department_id = department.unwrap_or(employee.department_id);
    employee.position_id = position.unwrap_or(employee.position_id);
    employee.manager_id = manager.unwrap_or(employee.manager_id);
}

/// What happens on the day that was given; else today, or on the day of the last change if that is later.
fn dated(
    employee: &Employee,
    reason: EmploymentReason,
    given: Option<Date>,
    today: Date,
    note: Option<&Text<1000>>,
) -> Result<Event, Problem> {
    let last = employee.employment_record_from.unwrap_or(today);
    // It is in force at once, and what is in the history stays. Somewhere it is tomorrow already; and whoever comes
    // later is moved on the first day.
    if given.is_some_and(|day| day > today.next().max(last)) {
        return Err(Problem::invalid_field("/effectiveFrom", "in_future", "must not be after today"));
    }
    Ok(Event { from: given.unwrap_or(today.max(last)), reason, note: note.cloned() })
}

fn in_employment(employee: &Employee) -> Result<(), Problem> {
    if employee.is_terminated() { Err(wrong_state("The employment was terminated.")) } else { Ok(()) }
}

fn differs(pointer: &str, is_same: bool) -> Result<(), Problem> {
    if is_same {
        return Err(Problem::invalid_field(pointer, "unchanged", "must be another one than before"));
    }
    Ok(())
}

fn wrong_state(detail: &str) -> Problem {
    Problem::new(Code::WrongState, detail)
}
