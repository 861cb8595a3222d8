//! What a department is, and its rules.

use std::collections::HashMap;

use axum::extract::RawQuery;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{
    Access, FieldErrors, FilterKind, FilterParameter, Operation, Problem, Resource, Tenant, Verb, choice,
    id_of, json, no_parameters, shape,
};
use nexo_domain::{DepartmentId, EmployeeId, Permission, Text, kind};
use nexo_store::{Counter, Record, Reference, Tree, Unique};
use serde::{Deserialize, Serialize};

use crate::employee::in_employment;

/// A department: a part of the account's organization.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Department {
    /// What it is called.
    pub name: Text<200>,
    /// A short name: unique in the account.
    pub code: Text<50>,
    /// The department it is part of.
    pub parent_id: Option<DepartmentId>,
    /// The employee who leads it.
    pub head_employee_id: Option<EmployeeId>,
    /// What its costs are booked on.
    pub cost_center: Option<Text<50>>,
    /// Whether people still are put there.
    #[serde(default)]
    pub status: DepartmentStatus,
    /// How many employees work in it, without its sub-departments.
    #[serde(default)]
    pub staff: u32,
    /// How many positions are of it.
    #[serde(default)]
    pub positions: u32,
    /// How many departments are part of it.
    #[serde(default)]
    pub sub_departments: u32,
}

/// Whether people are put in a department.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DepartmentStatus {
    #[default]
    Active,
    Inactive,
}

/// The tree of departments.
pub(crate) const TREE: Tree = Tree { field: "parentId", depth: 8, most: 400 };

/// How a department counts its employees.
pub(crate) const STAFF: Counter =
    Counter { attribute: "staff", limit: None, open: Some(("status", "active")) };

impl Record for Department {
    type Kind = kind::Department;
    const SORT_FIELDS: &'static [&'static str] = &["name"];
    const KEPT: &'static [&'static str] = &["staff", "positions", "subDepartments"];
    const BOUND: bool = true;
    const TREE: Option<Tree> = Some(TREE);

    fn sort_name(&self) -> String {
        self.name.to_string()
    }

    fn unique(&self) -> Vec<Unique> {
        vec![Unique::folded("code", &self.code)]
    }

    fn references(&self) -> Vec<Reference> {
        let head = self.head_employee_id.iter();
        let head =
            head.map(|head| in_employment(Reference::to("headEmployeeId", head, Permission::EmployeeRead)));
        let parent = self.parent_id.iter();
        let count = Counter::of("subDepartments");
        let within = Permission::DepartmentRead;
        head.chain(parent.map(|parent| Reference::counted("parentId", parent, count, within))).collect()
    }

    fn is_in_use(&self) -> bool {
        self.staff + self.positions + self.sub_departments > 0
    }
}

impl Resource for Department {
    const PATH: &'static str = "/api/departments";
    const NAME: &'static str = "department";
    const SAMPLE: &'static str = r#"{"name":"Sales","code":"SALES"}"#;
    const READ: Permission = Permission::DepartmentRead;
    const WRITE: Permission = Permission::DepartmentWrite;
    const DELETE: Permission = Permission::DepartmentDelete;
    const JUDGED_TOGETHER: &'static [&'static str] = &["code", "parentId", "headEmployeeId"];
    const FILTERS: &'static [FilterParameter] = &[
        FilterParameter {
            name: "status",
            summary: "Only departments with this status",
            kind: FilterKind::Equals("status"),
            parse: choice::<DepartmentStatus>,
        },
        FilterParameter {
            name: "parentId",
            summary: "Only departments that are part of this one, directly",
            kind: FilterKind::Equals("parentId"),
            parse: id_of::<kind::Department>,
        },
        FilterParameter::OWNER,
        FilterParameter::TAG,
        FilterParameter::NAME,
    ];

    fn validate(&self, _: &mut FieldErrors) {}
}

pub(crate) const TREE_OPERATION: Operation = Operation {
    method: Verb::Get,
    path: "/tree",
    id: "getDepartmentTree",
    summary: "All departments as a tree",
    access: Access::Needs(Permission::DepartmentRead),
    problems: &[400],
    success: 200,
    shape: shape!(|draft| _ = draft.answer::<DepartmentTree>()),
};

/// All departments: there are few enough for one answer.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct DepartmentTree {
    /// The departments that are part of no other that the caller sees, by name.
    data: Vec<DepartmentNode>,
    /// Whether all are there.
    is_complete: bool,
}

/// A department, and what is part of it.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct DepartmentNode {
    id: DepartmentId,
    name: Text<200>,
    code: Text<50>,
    status: DepartmentStatus,
    head_employee_id: Option<EmployeeId>,
    /// How many employees work in it.
    staff: u32,
    /// How many employees work in it and all that is part of it.
    total_staff: u32,
    /// What is part of it, by name.
    departments: Vec<DepartmentNode>,
}

/// `GET /api/departments/tree`.
pub(crate) async fn tree(tenant: Tenant, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    no_parameters(query)?;
    let (mut all, is_complete) = tenant.all::<Department>(&[], TREE.most).await?;
    all.sort_by_cached_key(|one| one.input.fields.name.as_str().to_lowercase());
    let ids: Vec<_> = all.iter().map(|one| one.id).collect();
    let mut below: HashMap<Option<DepartmentId>, Vec<DepartmentNode>> = HashMap::new();
    for one in all {
        let department = one.input.fields;
        let parent = department.parent_id.filter(|parent| ids.contains(parent));
        below.entry(parent).or_default().push(DepartmentNode {
            id: one.id,
            name: department.name,
            code: department.code,
            status: department.status,
            head_employee_id: department.head_employee_id,
            staff: department.staff,
            total_staff: department.staff,
            departments: Vec::new(),
        });
    }
    let mut data = below.remove(&None).unwrap_or_default();
    for root in &mut data {
        grow(root, &mut below);
    }
    Ok(json(StatusCode::OK, &DepartmentTree { data, is_complete }))
}

fn grow(node: &mut DepartmentNode, below: &mut HashMap<Option<DepartmentId>, Vec<DepartmentNode>>) {
    node.departments = below.remove(&Some(node.id)).unwrap_or_default();
    for part in &mut node.departments {
        grow(part, below);
        node.total_staff += part.total_staff;
    }
}
