//! Nobody gives, or takes, what they lack; and whatever was judged by is written only if it still is so.

use nexo_api::{Code, Problem, Tenant};
use nexo_domain::{Grants, Permission, Reach, RoleRef};
use nexo_store::{MailLimit, MemberRefusal, Organization, StoreError};

/// What the caller may do, by the roles of the account as they were read with what is to be changed.
pub(crate) struct Caller(Grants);

impl Caller {
    /// The caller, who needs `permission` still.
    pub(crate) fn judge(
        tenant: &Tenant,
        organization: &Organization,
        permission: Permission,
    ) -> Result<Self, Problem> {
        let grants = organization.roles.grants(&tenant.scope().principal().standing.roles);
        if grants.reach(permission).is_none() {
            return Err(Problem::denied(permission));
        }
        Ok(Self(grants))
    }

    /// Refuses unless the caller may do everything that `roles` grant to whoever has them.
    pub(crate) fn may_grant(&self, organization: &Organization, roles: &[RoleRef]) -> Result<(), Problem> {
        self.covers(organization.needed_to_give(roles))
    }

    /// Refuses unless the caller reaches all records: who is in a team decides who reaches whose.
    pub(crate) fn may_move_between_teams(&self) -> Result<(), Problem> {
        let about_records = Permission::ALL.iter().filter(|permission| permission.is_about_records());
        let all = |grants: Grants, permission: &Permission| grants.with(*permission, Reach::All);
        self.covers(about_records.fold(Grants::default(), all))
    }

    /// Refuses unless the caller of a request may do everything that `grants` allow. For a key, which acts for
    /// its maker: what changes before it is written, and later, is seen when the key is used.
    pub(crate) fn may_give_to_a_key(tenant: &Tenant, grants: Grants) -> Result<(), Problem> {
        Self(tenant.scope().principal().standing.grants).covers(grants)
    }

    fn covers(&self, grants: Grants) -> Result<(), Problem> {
        let lacking: Vec<String> = self.0.lacks(grants).map(|grant| grant.to_string()).collect();
        let Some(first) = lacking.first() else { return Ok(()) };
        let names = lacking.join("`, `");
        let detail = format!("Nobody gives or takes what they lack: you lack `{names}`.");
        Err(Problem::new(Code::PermissionDenied, detail)
            .with_member("permission", first.as_str())
            .with_member("lacking", lacking.clone()))
    }
}

/// Counts how often a change is read, judged and written.
#[derive(Default)]
pub(crate) struct Tries(usize);

/// A change starts over so often because another one came between.
const MOST_TRIES: usize = 4;

impl Tries {
    /// What came of the last try; `None` when what was read had changed before it was written, and the change
    /// starts over.
    pub(crate) fn settle<T>(&mut self, outcome: Result<T, MemberRefusal>) -> Result<Option<T>, Problem> {
        self.0 += 1;
        match outcome {
            Ok(done) => Ok(Some(done)),
            Err(MemberRefusal::Changed | MemberRefusal::Store(StoreError::Busy)) if self.0 < MOST_TRIES => {
                Ok(None)
            }
            Err(refusal) => Err(refused(refusal)),
        }
    }
}

fn refused(refusal: MemberRefusal) -> Problem {
    match refusal {
        MemberRefusal::LastOwner => Problem::new(Code::LastOwner, "Make another active user an owner first."),
        MemberRefusal::TeamIsFull => Problem::invalid_field("/teamId", "full", "has as many users as it can"),
        MemberRefusal::CallerChanged => {
            Problem::new(Code::Conflict, "What you may do was changed meanwhile. Try again.")
        }
        MemberRefusal::TooManyMails { limit, wait_seconds } => too_many_mails(limit, wait_seconds),
        MemberRefusal::Changed => StoreError::Busy.into(),
        MemberRefusal::Store(error) => error.into(),
    }
}

fn too_many_mails(limit: MailLimit, wait_seconds: u64) -> Problem {
    let detail = match (limit, limit.most_in_days()) {
        (MailLimit::OfAccount, (most, _)) => {
            format!("An account sends {most} invitations a day at most, those sent again included.")
        }
        (MailLimit::OfNewAccount, (most, _)) => format!(
            "In its first week an account sends {most} invitations a day at most, those sent again included."
        ),
        (MailLimit::ToAddress, (most, days)) => {
            format!("An address gets {most} invitations of an account in {days} days at most.")
        }
    };
    Problem::new(Code::TooManyAttempts, detail).retry_after(wait_seconds)
}
