//! Who leads whom.

use std::collections::HashMap;

use axum::extract::RawQuery;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Access, Id, Operation, Problem, Tenant, Verb, chosen, json, no_parameters, shape};
use nexo_domain::{DepartmentId, Email, EmployeeId, Permission, PositionId, Text, kind};
use nexo_store::Entity;
use serde::Serialize;

use crate::employee::{Employee, EmployeeStatus};

pub(crate) const OPERATIONS: [Operation; 2] = [
    Operation {
        method: Verb::Get,
        path: "/org-chart",
        id: "getOrgChart",
        summary: "Who leads whom: all employees who have not left, as a tree",
        access: Access::Needs(Permission::EmployeeRead),
        problems: &[400],
        success: 200,
        shape: shape!(|draft| _ = draft.answer::<OrgChart>()),
    },
    Operation {
        method: Verb::Get,
        path: "/{id}/reports",
        id: "listReports",
        summary: "Whom an employee leads: directly, or all the way down as a tree",
        access: Access::Needs(Permission::EmployeeRead),
        problems: &[400, 404],
        success: 200,
        shape: shape!(
            |draft| _ = draft.id::<kind::Employee>().choice("depth", DEPTH, &DEPTHS).answer::<OrgChart>()
        ),
    },
];

#[cfg(feature = "openapi")]
const DEPTH: &str = "How far down";
const DEPTHS: [&str; 2] = ["direct", "all"];

/// The most employees of a chart.
const MOST: usize = 10_000;

/// Employees with whom they lead.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrgChart {
    /// By name.
    data: Vec<OrgChartNode>,
    /// Whether everybody is there: a chart has at most 10,000.
    is_complete: bool,
}

/// An employee, and whom the employee leads.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct OrgChartNode {
    id: EmployeeId,
    employee_number: Text<50>,
    first_name: Text<100>,
    last_name: Text<100>,
    work_email: Email,
    department_id: DepartmentId,
    position_id: PositionId,
    status: EmployeeStatus,
    /// By name.
    reports: Vec<OrgChartNode>,
}

impl From<Entity<Employee>> for OrgChartNode {
    fn from(Entity { id, input, .. }: Entity<Employee>) -> Self {
        let employee = input.fields;
        Self {
            id,
            employee_number: employee.employee_number,
            first_name: employee.first_name,
            last_name: employee.last_name,
            work_email: employee.work_email,
            department_id: employee.department_id,
            position_id: employee.position_id,
            status: employee.status,
            reports: Vec::new(),
        }
    }
}

type Below = HashMap<Option<EmployeeId>, Vec<OrgChartNode>>;

/// Everybody who has not left, by who leads them. Where that one has left, it is the next above who has not.
async fn everybody(tenant: &Tenant) -> Result<(Below, bool), Problem> {
    let (mut all, is_complete) = tenant.all::<Employee>(&[], MOST).await?;
    all.sort_by_cached_key(|one| {
        let name = &one.input.fields;
        (name.last_name.as_str().to_lowercase(), name.first_name.as_str().to_lowercase())
    });
    let known: HashMap<EmployeeId, (Option<EmployeeId>, bool)> = all
        .iter()
        .map(|one| (one.id, (one.input.fields.manager_id, one.input.fields.is_terminated())))
        .collect();
    let mut below = Below::new();
    for one in all.into_iter().filter(|one| !one.input.fields.is_terminated()) {
        let mut above = one.input.fields.manager_id;
        let leader = loop {
            match above.and_then(|manager| known.get(&manager)) {
                Some((next, true)) => above = *next,
                Some((_, false)) => break above,
                None => break None,
            }
        };
        below.entry(leader).or_default().push(one.into());
    }
    Ok((below, is_complete))
}

fn grow(nodes: &mut [OrgChartNode], below: &mut Below) {
    for node in nodes {
        node.reports = below.remove(&Some(node.id)).unwrap_or_default();
        grow(&mut node.reports, below);
    }
}

/// `GET /api/employees/org-chart`.
pub(crate) async fn chart(tenant: Tenant, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    no_parameters(query)?;
    let (mut below, is_complete) = everybody(&tenant).await?;
    let mut data = below.remove(&None).unwrap_or_default();
    grow(&mut data, &mut below);
    Ok(json(StatusCode::OK, &OrgChart { data, is_complete }))
}

/// `GET /api/employees/{id}/reports`.
pub(crate) async fn reports(
    tenant: Tenant,
    Id(id): Id<kind::Employee>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let depth = chosen(query, "depth", &DEPTHS)?;
    tenant.get::<Employee>(&id).await?;
    let (mut below, is_complete) = everybody(&tenant).await?;
    let mut data = below.remove(&Some(id)).unwrap_or_default();
    if depth == "all" {
        grow(&mut data, &mut below);
    }
    Ok(json(StatusCode::OK, &OrgChart { data, is_complete }))
}
