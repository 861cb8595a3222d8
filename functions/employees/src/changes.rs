//! What changes an employment: `POST /api/employees/{id}/transfer`, `promote`, `leave`, `return`, `terminate` and `rehire`.

use axum::extract::State;
use axum::response::Response;
use nexo_api::{
    Access, Body, Code, Id, IfMatch, Input as BodyInput, Operation, Platform, Problem, Tenant, Verb, revise,
    shape,
};
use nexo_domain::{Date, DepartmentId, EmployeeId, Permission, PositionId, Text, kind};
use nexo_store::{Entity, Input};
use serde::{Deserialize, Deserializer};

use crate::employee::{Employee, EmployeeStatus, EmploymentType};
use crate::employment::{EmploymentReason, Event};

const CHANGES: &[u16] = &[400, 404, 409, 412, 413, 415, 422];

pub(crate) const OPERATIONS: [Operation; 6] = [
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
    let today = platform.clock.now().date();
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
