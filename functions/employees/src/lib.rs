//! Who works for an account: employees, the departments they work in, and what they are employed as.

mod changes;
mod chart;
mod department;
mod employee;
mod employment;
mod position;

pub use department::Department;
pub use employee::Employee;
pub use employment::EmploymentRecord;
use nexo_api::{Platform, Routes, resource};
pub use position::Position;

/// The function's routes.
pub fn routes(platform: &Platform) -> Routes {
    let [transfer, promote, leave, come_back, terminate, rehire] = changes::OPERATIONS;
    let [chart, reports] = chart::OPERATIONS;
    resource::<Department>(platform)
        .and(Routes::new(platform, "/api/departments").on(department::TREE_OPERATION, department::tree))
        .and(resource::<Position>(platform))
        .and(resource::<Employee>(platform))
        .and(
            Routes::new(platform, "/api/employees")
                .on(employment::LIST, employment::list)
                .on(transfer, changes::make::<changes::EmployeeTransfer>)
                .on(promote, changes::make::<changes::EmployeePromotion>)
                .on(leave, changes::make::<changes::EmployeeLeave>)
                .on(come_back, changes::make::<changes::EmployeeReturn>)
                .on(terminate, changes::make::<changes::EmployeeTermination>)
                .on(rehire, changes::make::<changes::EmployeeRehire>)
                .on(chart, chart::chart)
                .on(reports, chart::reports),
        )
}
