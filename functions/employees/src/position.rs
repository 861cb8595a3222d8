//! What a position is, and its rules.

use nexo_api::{FieldErrors, FilterKind, FilterParameter, Resource, choice, id_of};
use nexo_domain::{DepartmentId, Permission, Text, kind};
use nexo_store::{Counter, Record, Reference, Unique};
use serde::{Deserialize, Serialize};

/// A position: what employees are employed as.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Position {
    /// What it is called.
    pub title: Text<200>,
    /// A short name: unique in the account.
    pub code: Option<Text<50>>,
    /// The department it is of.
    pub department_id: Option<DepartmentId>,
    /// Its grade.
    pub level: Option<Text<50>>,
    /// How many employees there can be in it.
    #[serde(default = "one")]
    pub headcount: u32,
    /// Whether it takes more employees: only an open one does.
    #[serde(default)]
    pub status: PositionStatus,
    /// How many employees there are in it.
    #[serde(default)]
    pub filled: u32,
}

const fn one() -> u32 {
    1
}

/// Whether a position takes more employees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PositionStatus {
    #[default]
    Open,
    Filled,
    Frozen,
    Closed,
}

/// How a position counts its employees.
pub(crate) const SEATS: Counter =
    Counter { attribute: "filled", limit: Some("headcount"), open: Some(("status", "open")) };

/// The most employees of one position.
const MOST: u32 = 100_000;

impl Record for Position {
    type Kind = kind::Position;
    const SORT_FIELDS: &'static [&'static str] = &["title"];
    const KEPT: &'static [&'static str] = &["filled"];
    const BOUND: bool = true;

    fn sort_name(&self) -> String {
        self.title.to_string()
    }

    fn unique(&self) -> Vec<Unique> {
        self.code.iter().map(|code| Unique::folded("code", code)).collect()
    }

    fn references(&self) -> Vec<Reference> {
        let (count, within) = (Counter::of("positions"), Permission::DepartmentRead);
        let counted = |department| Reference::counted("departmentId", department, count, within);
        self.department_id.iter().map(counted).collect()
    }

    fn is_in_use(&self) -> bool {
        self.filled > 0
    }
}

impl Resource for Position {
    const PATH: &'static str = "/api/positions";
    const NAME: &'static str = "position";
    const SAMPLE: &'static str = r#"{"title":"Engineer"}"#;
    const READ: Permission = Permission::PositionRead;
    const WRITE: Permission = Permission::PositionWrite;
    const DELETE: Permission = Permission::PositionDelete;
    const JUDGED_TOGETHER: &'static [&'static str] = &["code", "departmentId", "headcount"];
    const FILTERS: &'static [FilterParameter] = &[
        FilterParameter {
            name: "status",
            summary: "Only positions with this status",
            kind: FilterKind::Equals("status"),
            parse: choice::<PositionStatus>,
        },
        FilterParameter {
            name: "departmentId",
            summary: "Only positions of this department",
            kind: FilterKind::Equals("departmentId"),
            parse: id_of::<kind::Department>,
        },
        FilterParameter::OWNER,
        FilterParameter::TAG,
        FilterParameter::NAME,
    ];

    fn validate(&self, errors: &mut FieldErrors) {
        if self.headcount > MOST {
            errors.add("/headcount", "too_large", format!("must be at most {MOST}"));
        }
        if self.headcount < self.filled {
            errors.add(
                "/headcount",
                "too_small",
                format!("must be at least {}: so many are in it", self.filled),
            );
        }
    }
}
