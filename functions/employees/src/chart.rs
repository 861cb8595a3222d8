//! Who leads whom.

use std::collections::{HashMap, HashSet};
use std::iter::successors;

use axum::extract::RawQuery;
use axum::response::Response;
use http::StatusCode;
use nexo_api::{Access, Id, Operation, Problem, Tenant, Verb, chosen, json, no_parameters, shape};
use nexo_domain::{DepartmentId, Email, EmployeeId, Permission, PositionId, Text, kind};
use nexo_store::{Entity, Filter};
use serde::Serialize;

use crate::employee::{Employee, EmployeeStatus, LEFT};

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

/// The most bytes of a chart, and how many an employee takes besides names: an answer has at most 6 MB, and escapes.
const MOST_BYTES: usize = 4 * 1024 * 1024;
const NODE: usize = 230;

/// The most levels of a chart.
const DEEPEST: usize = 50;

/// Employees with whom they lead.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrgChart {
    /// By name.
    data: Vec<OrgChartNode>,
    /// Whether everybody is there: a chart has at most 10,000 employees and 50 levels.
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

/// Whom each employee leads.
struct Chart {
    below: HashMap<Option<EmployeeId>, Vec<OrgChartNode>>,
    is_complete: bool,
}

impl Chart {
    /// Everybody who has not left, by who leads them. Where that one has left, or is deleted or beyond reach, it is the
    /// next above who is there.
    async fn read(tenant: &Tenant) -> Result<Self, Problem> {
        let (mut all, mut is_complete) = tenant.all::<Employee>(&[Filter::Not("status", LEFT)], MOST).await?;
        all.sort_by_cached_key(|one| {
            let name = &one.input.fields;
            (name.last_name.as_str().to_lowercase(), name.first_name.as_str().to_lowercase())
        });
        let mut bytes = 0;
        all.retain(|one| {
            let Employee { employee_number, first_name, last_name, work_email, .. } = &one.input.fields;
            bytes += NODE + employee_number.as_str().len() + first_name.as_str().len();
            bytes += last_name.as_str().len() + work_email.as_str().len();
            bytes <= MOST_BYTES
        });
        is_complete &= bytes <= MOST_BYTES;
        let there: HashSet<EmployeeId> = all.iter().map(|one| one.id).collect();
        let mut left: HashMap<EmployeeId, Option<EmployeeId>> = HashMap::new();
        let mut above: HashSet<EmployeeId> =
            all.iter().filter_map(|one| one.input.fields.manager_id).collect();
        // Usually nobody: a level of managers who have left is a read.
        for _ in 0..DEEPEST {
            above.retain(|manager| !there.contains(manager) && !left.contains_key(manager));
            if above.is_empty() {
                break;
            }
            let found = tenant.above(&above.drain().collect::<Vec<_>>(), "managerId").await?;
            above.extend(found.iter().filter_map(|(_, next)| *next));
            left.extend(found);
        }
        let mut below: HashMap<_, Vec<OrgChartNode>> = HashMap::new();
        for one in all {
            let ways = |manager: &EmployeeId| left.get(manager).copied().flatten();
            let leader = successors(one.input.fields.manager_id, ways).find(|above| there.contains(above));
            below.entry(leader).or_default().push(one.into());
        }
        Ok(Self { below, is_complete })
    }

    /// Whom one leads, directly; nobody, for `None`, leads those at the top.
    fn led_by(&mut self, leader: Option<EmployeeId>) -> Vec<OrgChartNode> {
        self.below.remove(&leader).unwrap_or_default()
    }

    /// Adds to `nodes` whom they lead, so many levels down.
    fn grow(&mut self, nodes: &mut [OrgChartNode], levels: usize) {
        for node in nodes {
            node.reports = self.led_by(Some(node.id));
            if levels == 0 {
                self.is_complete &= node.reports.is_empty();
                node.reports.clear();
            } else {
                self.grow(&mut node.reports, levels - 1);
            }
        }
    }

    fn answer(self, data: Vec<OrgChartNode>) -> Response {
        json(StatusCode::OK, &OrgChart { data, is_complete: self.is_complete })
    }
}

/// `GET /api/employees/org-chart`.
pub(crate) async fn chart(tenant: Tenant, RawQuery(query): RawQuery) -> Result<Response, Problem> {
    no_parameters(query)?;
    let mut chart = Chart::read(&tenant).await?;
    let mut data = chart.led_by(None);
    chart.grow(&mut data, DEEPEST - 1);
    Ok(chart.answer(data))
}

/// `GET /api/employees/{id}/reports`.
pub(crate) async fn reports(
    tenant: Tenant,
    Id(id): Id<kind::Employee>,
    RawQuery(query): RawQuery,
) -> Result<Response, Problem> {
    let depth = chosen(query, "depth", &DEPTHS)?;
    tenant.get::<Employee>(&id).await?;
    let mut chart = Chart::read(&tenant).await?;
    let mut data = chart.led_by(Some(id));
    if depth == "all" {
        chart.grow(&mut data, DEEPEST - 1);
    }
    Ok(chart.answer(data))
}
