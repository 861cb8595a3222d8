//! What an employee is, and its rules.

use nexo_api::{Column, FieldErrors, FilterKind, FilterParameter, Private, Resource, choice, id_of, text};
use nexo_domain::{
    Date, DepartmentId, Email, EmployeeId, EmploymentRecordId, Kind, Money, Permission, Phone, PositionId,
    Text, UserId, kind,
};
use nexo_store::{Beside, Entity, Record, Reference, StoreError, Unique};
use serde::{Deserialize, Serialize};

use crate::department::{STAFF, TREE};
use crate::employment::{Event, follow};
use crate::position::SEATS;

/// An employee: somebody who works, or worked, for the account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Employee {
    /// The number in the account's papers: unique in the account.
    pub employee_number: Text<50>,
    /// Given names.
    pub first_name: Text<100>,
    /// The family name.
    pub last_name: Text<100>,
    /// The address at work: unique in the account.
    pub work_email: Email,
    /// The telephone number at work.
    pub phone: Option<Phone>,
    /// Where the employee works.
    pub department_id: DepartmentId,
    /// What the employee is employed as.
    pub position_id: PositionId,
    /// The employee who leads this one.
    pub manager_id: Option<EmployeeId>,
    /// How the employee is employed.
    #[serde(default)]
    pub employment_type: EmploymentType,
    /// The first day of the employment, or of the present one after a rehire.
    pub hire_date: Date,
    /// The last day: where the employment was terminated, and only there.
    pub end_date: Option<Date>,
    /// The user the employee logs in as: no other employee has it.
    pub user_id: Option<UserId>,
    /// Where the employee works from.
    pub work_location: Option<Text<200>>,
    /// Where the employment stands.
    #[serde(default)]
    pub status: EmployeeStatus,
    /// The day of birth. Private.
    pub birth_date: Option<Date>,
    /// The address at home. Private.
    pub personal_email: Option<Email>,
    /// Whom to call when something happens. Private.
    pub emergency_contact: Option<EmergencyContact>,
    /// What the employee is paid in a year. Private.
    pub pay: Option<Money>,
    /// The record of the employment as it is; none once it was terminated.
    #[serde(default)]
    pub employment_record_id: Option<EmploymentRecordId>,
    /// The first day of that record.
    #[serde(default)]
    pub employment_record_from: Option<Date>,
    /// What happens with a change, where more is known of it than the fields say.
    #[serde(skip)]
    pub event: Option<Event>,
}

/// How somebody is employed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EmploymentType {
    #[default]
    FullTime,
    PartTime,
    Contract,
    Intern,
    Temporary,
}

/// Where an employment stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum EmployeeStatus {
    #[default]
    Onboarding,
    Active,
    OnLeave,
    Suspended,
    Terminated,
}

/// Whom to call when something happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EmergencyContact {
    /// Who it is.
    pub name: Text<200>,
    /// The telephone number.
    pub phone: Phone,
    /// What they are to the employee, such as `partner`.
    pub relation: Option<Text<50>>,
}

impl Employee {
    /// Whether the employment is over.
    pub fn is_terminated(&self) -> bool {
        self.status == EmployeeStatus::Terminated
    }
}

/// Whoever has left becomes nobody's manager or head.
pub(crate) fn in_employment(reference: Reference) -> Reference {
    reference.unless("status", LEFT)
}

/// [`EmployeeStatus::Terminated`] as it is stored.
pub(crate) const LEFT: &str = "terminated";

impl Record for Employee {
    type Kind = kind::Employee;
    const SORT_FIELDS: &'static [&'static str] = &["lastName", "firstName"];
    const KEPT: &'static [&'static str] = &["employmentRecordId", "employmentRecordFrom"];
    const BOUND: bool = true;

    fn sort_name(&self) -> String {
        format!("{} {}", self.last_name, self.first_name)
    }

    fn unique(&self) -> Vec<Unique> {
        let mut unique = vec![
            Unique::folded("employeeNumber", &self.employee_number),
            Unique::folded("workEmail", &self.work_email),
        ];
        unique.extend(self.user_id.iter().map(|user| Unique::folded("userId", user)));
        unique
    }

    /// Whoever has left is in no department, takes no position's seat, and is led by nobody who had to be there.
    fn references(&self) -> Vec<Reference> {
        let mut references = if self.is_terminated() {
            vec![
                Reference::to("departmentId", &self.department_id, Permission::DepartmentRead),
                Reference::to("positionId", &self.position_id, Permission::PositionRead),
            ]
        } else {
            vec![
                Reference::counted("departmentId", &self.department_id, STAFF, Permission::DepartmentRead),
                Reference::counted("positionId", &self.position_id, SEATS, Permission::PositionRead),
            ]
        };
        let manager = self
            .manager_id
            .iter()
            .map(|manager| Reference::parent("managerId", manager, Permission::EmployeeRead));
        let is_led = !self.is_terminated();
        references.extend(manager.map(|manager| if is_led { in_employment(manager) } else { manager }));
        references.extend(self.user_id.iter().map(|user| Reference::user("userId", user)));
        references
    }

    fn beside(before: Option<&Entity<Self>>, after: &mut Entity<Self>) -> Result<Vec<Beside>, StoreError> {
        follow(before, after)
    }
}

impl Resource for Employee {
    const PATH: &'static str = "/api/employees";
    const NAME: &'static str = "employee";
    const SAMPLE: &'static str = r#"{
        "employeeNumber": "E-1", "firstName": "Ada", "lastName": "Lovelace", "workEmail": "ada@acme.example",
        "departmentId": "dep_01ARZ3NDEKTSV4RRFFQ69G5FAV", "positionId": "pos_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        "hireDate": "2026-01-15"
    }"#;
    const READ: Permission = Permission::EmployeeRead;
    const WRITE: Permission = Permission::EmployeeWrite;
    const DELETE: Permission = Permission::EmployeeDelete;
    const PRIVATE: Option<Private> = Some(Private {
        permission: Permission::EmployeeReadPrivate,
        fields: &["birthDate", "personalEmail", "emergencyContact", "pay"],
    });
    const JUDGED_TOGETHER: &'static [&'static str] = &[
        "employeeNumber",
        "workEmail",
        "departmentId",
        "positionId",
        "managerId",
        "employmentType",
        "hireDate",
        "endDate",
        "userId",
        "status",
    ];
    const FILTERS: &'static [FilterParameter] = &[
        FilterParameter {
            name: "status",
            summary: "Only employees with this status",
            kind: FilterKind::Equals("status"),
            parse: choice::<EmployeeStatus>,
        },
        FilterParameter {
            name: "departmentId",
            summary: "Only employees of this department",
            kind: FilterKind::Equals("departmentId"),
            parse: id_of::<kind::Department>,
        },
        FilterParameter {
            name: "withinDepartmentId",
            summary: "Only employees of this department and of all that are part of it",
            kind: FilterKind::Within("departmentId", Kind::Department, TREE),
            parse: id_of::<kind::Department>,
        },
        FilterParameter {
            name: "positionId",
            summary: "Only employees of this position",
            kind: FilterKind::Equals("positionId"),
            parse: id_of::<kind::Position>,
        },
        FilterParameter {
            name: "managerId",
            summary: "Only employees whom this one leads, directly",
            kind: FilterKind::Equals("managerId"),
            parse: id_of::<kind::Employee>,
        },
        FilterParameter {
            name: "hiredFrom",
            summary: "Only employees who were hired on this day or later",
            kind: FilterKind::From("hireDate"),
            parse: text::<Date>,
        },
        FilterParameter {
            name: "hiredUntil",
            summary: "Only employees who were hired on this day or earlier",
            kind: FilterKind::Until("hireDate"),
            parse: text::<Date>,
        },
        FilterParameter::OWNER,
        FilterParameter::TAG,
        FilterParameter::NAME,
    ];
    const MATCHED_BY: &'static [&'static str] = &["employeeNumber", "workEmail"];
    const COLUMNS: &'static [Column] = &[
        Column::text("employeeNumber"),
        Column::text("firstName"),
        Column::text("lastName"),
        Column::text("workEmail"),
        Column::text("phone"),
        Column::text("departmentId"),
        Column::text("positionId"),
        Column::text("managerId"),
        Column::text("employmentType"),
        Column::text("hireDate"),
        Column::text("endDate"),
        Column::text("userId"),
        Column::text("workLocation"),
        Column::text("status"),
        Column::text("birthDate"),
        Column::text("personalEmail"),
        Column::text("emergencyContact.name"),
        Column::text("emergencyContact.phone"),
        Column::text("emergencyContact.relation"),
        Column::number("pay.amountMinor"),
        Column::text("pay.currency"),
        Column::text("employmentRecordId"),
        Column::text("employmentRecordFrom"),
    ];

    fn validate(&self, errors: &mut FieldErrors) {
        match self.end_date {
            None if self.is_terminated() => {
                errors.add("/endDate", "required", "is required where the employment was terminated");
            }
            Some(_) if !self.is_terminated() => {
                errors.add("/endDate", "not_terminated", "is only for an employment that was terminated");
            }
            Some(end) if end < self.hire_date => {
                errors.add("/endDate", "invalid_range", "must not be before hireDate");
            }
            _ => {}
        }
        if self.birth_date.is_some_and(|birth| birth >= self.hire_date) {
            errors.add("/birthDate", "invalid_range", "must be before hireDate");
        }
    }

    /// The history only grows, so what is in it stays.
    fn validate_change(&self, before: &Self, today: Date, errors: &mut FieldErrors) {
        let is_rehired = before.is_terminated() && !self.is_terminated();
        let last = before.employment_record_from;
        // A change is in force at once. Somewhere it is tomorrow already; and whoever comes later can leave on the
        // first day.
        let tomorrow = today.next();
        if is_rehired && self.hire_date > tomorrow {
            errors.add("/hireDate", "in_future", "must not be after today");
        }
        let is_leaving = !before.is_terminated() && self.is_terminated();
        if is_leaving && self.end_date.is_some_and(|end| end > tomorrow.max(before.hire_date)) {
            errors.add("/endDate", "in_future", "must not be after today");
        }
        if is_rehired {
            if before.end_date.is_some_and(|end| self.hire_date <= end) {
                errors.add(
                    "/hireDate",
                    "invalid_range",
                    "must be after the last day of the employment before",
                );
            }
        } else if self.hire_date != before.hire_date {
            errors.add("/hireDate", "unchangeable", "is in the history of the employment");
        }
        if before.is_terminated() && self.is_terminated() && self.end_date != before.end_date {
            errors.add("/endDate", "unchangeable", "is in the history of the employment");
        }
        if is_leaving && self.end_date.is_some_and(|end| Some(end.next()) < last) {
            errors.add("/endDate", "invalid_range", "must not be before the last change of the employment");
        }
        if let Some(event) = &self.event
            && !is_rehired
            && !self.is_terminated()
            && Some(event.from) < last
        {
            let pointer = "/effectiveFrom";
            errors.add(pointer, "invalid_range", "must not be before the last change of the employment");
        }
    }
}
