//! The platform of NEXO on one machine: the gateway, the table and the guard in front of it, built
//! from the same `template.yaml` that is deployed to AWS.

pub mod bucket;
pub mod clock;
pub mod demo;
#[cfg(feature = "openapi")]
pub mod description;
pub mod door;
pub mod engine;
pub mod external;
pub mod functions;
pub mod gateway;
pub mod issuer;
mod listen;
pub mod mailbox;
pub mod policy;
mod pump;
mod schedule;
mod secrets;
pub mod server;
pub mod sts;
pub mod template;

pub use bucket::BucketDoor;
pub use clock::{Clock, system_clock};
pub use door::{BucketFault, Door, DoorConnector, DoorLog, FailNth, Fault, Faults, ServiceError, StoreCall};
pub use engine::{Capacity, Engine, EngineError, Storage};
pub use functions::{CONSUMERS, FUNCTIONS};
pub use gateway::{FunctionHandle, Gateway, GatewayError, function};
pub use issuer::{CallerIdentity, IssuerError, LocalIssuer, TokenError};
pub use server::{Options, Server, StartError};
pub use sts::{LocalSts, StsError, TenantSession};
pub use template::{Template, TemplateError};
