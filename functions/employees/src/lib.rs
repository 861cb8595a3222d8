//! Who works for an account: employees, the departments they work in, and what they are employed as.

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
    let [records, transfer, promote, leave, come_back, terminate, rehire] = employment::OPERATIONS;
    let [chart, reports] = chart::OPERATIONS;
    resource::<Department>(platform)
        .and(Routes::new(platform, "/api/departments").on(department::TREE_OPERATION, department::tree))
        .and(resource::<Position>(platform))
        .and(resource::<Employee>(platform))
        .and(
            Routes::new(platform, "/api/employees")
                .on(records, employment::list)
                .on(transfer, employment::make::<employment::EmployeeTransfer>)
                .on(promote, employment::make::<employment::EmployeePromotion>)
                .on(leave, employment::make::<employment::EmployeeLeave>)
                .on(come_back, employment::make::<employment::EmployeeReturn>)
                .on(terminate, employment::make::<employment::EmployeeTermination>)
                .on(rehire, employment::make::<employment::EmployeeRehire>)
                .on(chart, chart::chart)
                .on(reports, chart::reports),
        )
}
