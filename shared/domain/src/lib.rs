//! The values NEXO speaks of, each parsed once at the edge.
//!
//! Fields are private and every way to make a value goes through its rules, so a value that exists
//! is valid. What is refused is an [`Invalid`], with a code for programs and a message for people.
//! In JSON the types have the forms that the API documents; with the feature `openapi` they also
//! describe those forms as JSON Schema.
//!
//! No clock, no randomness, no I/O and no storage: callers pass what is needed.

#![warn(missing_docs)]

mod address;
mod country;
mod currency;
mod date;
mod email;
mod file;
mod hostname;
mod id;
mod invalid;
mod language;
mod money;
mod permission;
mod phone;
mod role;
mod security_event;
mod string_form;
mod tags;
mod text;
mod time_zone;
mod timestamp;
mod web_url;

pub use address::{Address, AddressFields};
pub use country::CountryCode;
pub use currency::Currency;
pub use date::{Date, DateRange};
pub use email::Email;
pub use file::{FileCategory, FileName, FileStatus, FileType, QuarantineReason, Sha256};
pub use id::{
    AccountId, ApiKeyId, ClientId, DepartmentId, EmployeeId, EmploymentRecordId, FileId, Id, IdKind,
    ImportErrorsId, ImportId, ImportRowId, InvitationId, Kind, LinkId, MailId, PasskeyId, PositionId, RoleId,
    SecurityEventId, SessionId, TeamId, UserId,
};
pub use invalid::Invalid;
pub use language::LanguageTag;
pub use money::Money;
pub use permission::{Grant, Grants, InvitationStatus, Permission, Reach, Role, UserStatus};
pub use phone::Phone;
pub use role::{CustomRole, CustomRoles, RoleRef};
pub use security_event::{ActorType, SecurityEventOutcome, SecurityEventType};
pub use tags::{Tag, Tags};
pub use text::{MultilineText, Text};
pub use time_zone::TimeZoneName;
pub use timestamp::Timestamp;
pub use web_url::WebUrl;

/// The markers that tell the types of ids apart; most code names [`ClientId`] and its like instead.
pub mod kind {
    pub use crate::id::{
        Account, ApiKey, Client, Department, Employee, EmploymentRecord, File, Import, ImportErrors,
        ImportRow, Invitation, Link, Mail, Passkey, Position, Role, SecurityEvent, Session, Team, User,
    };
}
