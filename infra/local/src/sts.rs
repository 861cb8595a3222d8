//! Assuming a role for one account, as STS on AWS allows it.
//!
//! A role forgotten in the template's lists (who may assume which role, whom that trusts) would
//! be noticed on AWS only; here it fails in the same way.

use std::collections::BTreeMap;

use crate::clock::Clock;
use crate::issuer::{CallerIdentity, IssuerError, LocalIssuer};
use crate::policy::{Decision, Pattern, Request, Statement, evaluate};
use crate::template::{Role, Template};

/// A session of a role that was assumed by a role lasts an hour at most (role chaining).
const SESSION_MS: u64 = 3_600_000;
const ACCOUNT_TAG: &str = "account";

/// Gives out credentials for the local table. Clones share nothing but the key.
#[derive(Clone)]
pub struct LocalSts {
    issuer: LocalIssuer,
    roles: BTreeMap<String, Role>,
    clock: Clock,
}

/// A session of a role, for one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSession {
    /// The session token for the SDK's credentials.
    pub token: String,
    /// The secret access key that goes with it.
    pub secret: String,
    /// When it ends, in milliseconds since 1970.
    pub expires_at_ms: u64,
}

/// Why no session is given.
#[derive(Debug, thiserror::Error)]
pub enum StsError {
    /// The caller's policy or the other role's trust does not allow it.
    #[error("{role} is not authorized to perform: {action} on {tenant_role}: {reason}")]
    Denied {
        /// The logical id of the caller's role.
        role: String,
        /// The STS action.
        action: &'static str,
        /// The ARN of the role it asked for.
        tenant_role: String,
        /// What refused it.
        reason: String,
    },
    /// The token could not be made.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
}

impl std::fmt::Debug for LocalSts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalSts")
    }
}

impl LocalSts {
    /// An STS for the roles of `template`.
    pub fn new(issuer: LocalIssuer, template: &Template, clock: Clock) -> Self {
        Self { issuer, roles: template.roles.clone(), clock }
    }

    /// The token of a function's own role, given by its logical id.
    ///
    /// # Errors
    /// The token could not be made.
    pub fn function_token(&self, role: &str) -> Result<String, IssuerError> {
        self.issuer.seal(&CallerIdentity::Function { role: role.to_owned() })
    }

    /// A session of the role `asked` (an ARN) for `account`, asked for by the function role `role` (a
    /// logical id).
    ///
    /// # Errors
    /// The role may not, or `account` is no account.
    pub fn assume_tenant(&self, role: &str, asked: &str, account: &str) -> Result<TenantSession, StsError> {
        let denied = |action, reason| StsError::Denied {
            role: role.to_owned(),
            action,
            tenant_role: asked.to_owned(),
            reason,
        };
        let tenant = self.roles.iter().find(|(_, known)| known.arn == asked);
        let (id, tenant) =
            tenant.ok_or_else(|| denied("sts:AssumeRole", "there is no such role".to_owned()))?;
        for action in ["sts:AssumeRole", "sts:TagSession"] {
            self.check(role, tenant, account, action).map_err(|reason| denied(action, reason))?;
        }
        let expires_at_ms = (self.clock)().saturating_add(SESSION_MS);
        let caller = CallerIdentity::Tenant { role: id.clone(), account: account.to_owned(), expires_at_ms };
        let token = self.issuer.seal(&caller)?;
        Ok(TenantSession { secret: self.issuer.secret(&token), token, expires_at_ms })
    }

    /// Both sides must agree: the caller's policy, and the trust of the role it asks for.
    fn check(&self, role: &str, tenant: &Role, account: &str, action: &str) -> Result<(), String> {
        let caller = self.roles.get(role).ok_or_else(|| format!("no role is called {role}"))?;
        let trusted: Vec<Statement> = tenant
            .trust
            .iter()
            .filter(|statement| statement.principals.contains(&caller.arn))
            .map(|statement| Statement {
                effect: statement.effect,
                actions: statement.actions.clone(),
                resources: vec![Pattern::new("*")],
                conditions: statement.conditions.clone(),
            })
            .collect();
        let context =
            BTreeMap::from([("aws:RequestTag/account", vec![account]), ("aws:TagKeys", vec![ACCOUNT_TAG])]);
        let request = Request {
            action,
            resources: std::slice::from_ref(&tenant.arn),
            context: &context,
            tags: &BTreeMap::new(),
        };
        for (side, statements) in [("its policy", &caller.statements), ("the trust", &trusted)] {
            if let Decision::Denied(reason) = evaluate(statements, &request) {
                return Err(format!("{side}: {reason}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;

    const ACCOUNT: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

    fn sts(change: impl FnOnce(&mut Template)) -> LocalSts {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../template.yaml");
        let mut template = Template::read(&path, &BTreeMap::new()).unwrap();
        change(&mut template);
        let issuer = LocalIssuer::from_key([3; 32]);
        LocalSts::new(issuer, &template, Arc::new(|| 1_000))
    }

    fn assume(sts: &LocalSts, role: &str, asked: &str) -> Result<TenantSession, StsError> {
        let asked = sts.roles.get(asked).map_or(asked, |role| &role.arn);
        sts.assume_tenant(role, asked, ACCOUNT)
    }

    fn reason(sts: &LocalSts, role: &str) -> String {
        assume(sts, role, "TenantRole").unwrap_err().to_string()
    }

    #[test]
    fn a_function_that_is_trusted_gets_an_hour() {
        let session = assume(&sts(|_| ()), "ClientsFunctionRole", "TenantRole").unwrap();
        assert_eq!(session.expires_at_ms, 3_601_000);
        let opened = LocalIssuer::from_key([3; 32]).open(&session.token, 3_600_999);
        assert_eq!(
            opened,
            Ok(CallerIdentity::Tenant {
                role: "TenantRole".to_owned(),
                account: ACCOUNT.to_owned(),
                expires_at_ms: 3_601_000,
            })
        );
    }

    #[test]
    fn others_get_nothing() {
        let sts = sts(|_| ());
        assert!(reason(&sts, "HealthFunctionRole").contains("its policy: no statement allows"));
        assert!(reason(&sts, "AuthFunctionRole").contains("its policy: no statement allows"));
        assert!(reason(&sts, "Nobody").contains("no role is called Nobody"));
        let refused = |role: &str, asked: &str| assume(&sts, role, asked).unwrap_err().to_string();
        assert!(refused("ClientsFunctionRole", "DirectoryRole").contains("its policy: no statement allows"));
        assert!(refused("UsersFunctionRole", "TenantRole").contains("its policy: no statement allows"));
        assert!(refused("ClientsFunctionRole", "arn").contains("there is no such role"));
    }

    #[test]
    fn both_lists_are_needed() {
        let no_trust = sts(|template| {
            let tenant = template.roles.get_mut("TenantRole").unwrap();
            tenant.trust[0].principals.clear();
        });
        assert!(reason(&no_trust, "ClientsFunctionRole").contains("the trust: no statement"));
    }

    #[test]
    fn only_an_account_is_a_tag() {
        let sts = sts(|_| ());
        for account in ["", "*", "01arz3ndektsv4rrffq69g5fav", "a#b"] {
            let asked = &sts.roles["TenantRole"].arn;
            assert!(sts.assume_tenant("ClientsFunctionRole", asked, account).is_err(), "{account}");
        }
    }
}
