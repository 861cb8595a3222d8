//! Counts failed logins, and makes the next one wait.
//!
//! Attempts are counted before the password is looked at, one by one even when they come at once,
//! so that guessing in parallel gains nothing. The first few are free; each further one must wait
//! twice as long as the one before. What is counted is the network, and the address that is tried.
//! Mails that anybody can ask for are counted the same way: nobody's address is flooded through us.
//! A stranger who keeps an address's count high does not lock its owner out: networks the owner has
//! logged in from have a count of their own.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nexo_api::{Caller, Code, Problem};
use nexo_domain::{Email, UserId};
use nexo_identity::{Clock, SessionPrincipal};
use nexo_store::{AttemptCount, Attempts, Directory, Login, StoreError};
use nexo_tenant_key::DirectoryKey;
use sha2::{Digest as _, Sha256};

use crate::origin::Origin;
use crate::password::{Hasher, Password};

/// What is tried at an address without a session. Each has counts of its own: whoever registers an address
/// again and again keeps nobody from asking for a new password.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// A login.
    Login,
    /// The mail of a registration.
    Registration,
    /// The mail of a password reset.
    PasswordReset,
    /// The mail to the new address of a user.
    EmailChange,
}

impl Act {
    /// Whether networks that the address was logged in from are counted apart. Whoever shares one with a user can
    /// tell from that that the address has a login, so it is done only where strangers would otherwise keep the
    /// user out.
    pub(crate) const fn spares_known_networks(self) -> bool {
        matches!(self, Self::Login | Self::PasswordReset)
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Registration => "registration",
            Self::PasswordReset => "password reset",
            Self::EmailChange => "email change",
        }
    }
}

/// What a logged-in user proves who they are with. Each has a count of its own: who knows the password does not
/// clear the count of guesses at the second factor with it.
#[derive(Clone, Copy)]
pub(crate) enum ProofBy {
    /// The password.
    Password,
    /// A second factor.
    SecondFactor,
}

/// A count, and how it slows attempts down.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) attempts: Attempts,
    /// So many attempts need not wait.
    free: u32,
    /// No attempt must wait longer than this, in milliseconds.
    longest_wait: i64,
    /// Seconds without an attempt after which the count is forgotten.
    forgotten_after: i64,
}

const HOUR: i64 = 3600;
const FREE_PER_ADDRESS: u32 = 5;
const FREE_PER_NETWORK: u32 = 50;

impl Limit {
    fn per_login(who: &[&str]) -> Self {
        Self {
            attempts: Attempts(DirectoryKey::attempts(who)),
            free: FREE_PER_ADDRESS,
            longest_wait: 15 * 60 * 1000,
            forgotten_after: 24 * HOUR,
        }
    }

    /// Attempts at `email` from networks it was never logged in from.
    pub(crate) fn for_email(act: Act, email: &Email) -> Self {
        Self::per_login(&[act.word(), email.as_str()])
    }

    /// Attempts at `email` from one network that it was logged in from before.
    pub(crate) fn for_known_network(act: Act, email: &Email, network: &str) -> Self {
        Self::per_login(&[act.word(), email.as_str(), network])
    }

    /// Attempts of a logged-in user to prove who they are.
    fn for_user(user: &UserId, by: ProofBy) -> Self {
        let word = match by {
            ProofBy::Password => "password",
            ProofBy::SecondFactor => "second factor",
        };
        Self::per_login(&["user", user.ulid(), word])
    }

    /// Attempts from one network, at whatever address: logins, or mails of any kind.
    pub(crate) fn for_network(act: Act, network: &str) -> Self {
        let word = if act == Act::Login { "network" } else { "mails from" };
        Self {
            attempts: Attempts(DirectoryKey::attempts(&[word, network])),
            free: FREE_PER_NETWORK,
            longest_wait: 5 * 60 * 1000,
            forgotten_after: HOUR,
        }
    }

    /// Milliseconds to wait after attempt number `count`.
    fn wait_after(&self, count: u32) -> i64 {
        match count.checked_sub(self.free) {
            None => 0,
            Some(beyond) => 1000_i64.checked_shl(beyond.min(20)).unwrap_or(i64::MAX).min(self.longest_wait),
        }
    }
}

/// Refuses when the next attempt is not due yet.
pub(crate) fn due(clock: &Clock, seen: AttemptCount) -> Result<(), Problem> {
    let wait = seen.next_at - clock.now_ms();
    if wait <= 0 {
        return Ok(());
    }
    let seconds = u64::try_from(wait).unwrap_or(1).div_ceil(1000);
    let detail = format!("Wait {seconds} s before the next attempt.");
    Err(Problem::new(Code::TooManyAttempts, detail).retry_after(seconds))
}

/// How often a count is read again because another attempt came between. More often than attempts
/// are free: until they must wait, honest users who log in at once from one office all get through.
const ATTEMPTS: usize = 64;

/// Counts one attempt, or refuses it. `seen` is the count as it was read.
pub(crate) async fn count(
    directory: &Directory,
    clock: &Clock,
    limit: &Limit,
    mut seen: AttemptCount,
) -> Result<(), Problem> {
    for _ in 0..ATTEMPTS {
        due(clock, seen)?;
        let now = clock.now_ms();
        let count = seen.count.saturating_add(1);
        let next = AttemptCount { count, next_at: now + limit.wait_after(count) };
        let forget_at = next.next_at / 1000 + limit.forgotten_after;
        match directory.attempt(&limit.attempts, seen, next, forget_at).await? {
            Ok(()) => return Ok(()),
            Err(found) => seen = found,
        }
    }
    Err(Problem::new(Code::TooManyAttempts, "Too many attempts at once.").retry_after(1))
}

/// Counts a mail that anybody can ask for, or refuses it, whether or not the address is known. Answers the
/// login of the address, if it has one.
pub(crate) async fn count_mail(
    directory: &Directory,
    clock: &Clock,
    act: Act,
    email: &Email,
    caller: &Caller,
) -> Result<Option<Login>, Problem> {
    let (origin, login) = Origin::look(directory, act, email, caller).await?;
    origin.count(directory, clock).await?;
    Ok(directory.of_a_user(login).await?)
}

/// An attempt of a logged-in user to prove who they are: a stolen access token must not be a way to guess
/// faster than a login is.
pub(crate) struct OwnAttempt<'a> {
    directory: &'a Directory,
    limit: Limit,
    pub(crate) login: Login,
}

impl<'a> OwnAttempt<'a> {
    /// Counts the attempt, or refuses it.
    pub(crate) async fn count(
        directory: &'a Directory,
        clock: &Clock,
        principal: &SessionPrincipal,
        email: &Email,
        by: ProofBy,
    ) -> Result<Self, Problem> {
        let limit = Limit::for_user(&principal.user, by);
        let view = directory.login(email, std::slice::from_ref(&limit.attempts)).await?;
        let seen = view.attempts.first().copied().unwrap_or_default();
        count(directory, clock, &limit, seen).await?;
        // Its address was changed since it was read.
        let login = view.login.ok_or(StoreError::Busy)?;
        Ok(Self { directory, limit, login })
    }

    /// Refuses another password than the user's own, which the body has at `pointer`.
    pub(crate) async fn check_password(
        &self,
        hasher: &Hasher,
        given: Password,
        pointer: &str,
    ) -> Result<(), Problem> {
        if hasher.verify(given, Some(self.login.password_hash.clone())).await? {
            return Ok(());
        }
        Err(Problem::invalid_field(pointer, "wrong_password", "is not your password"))
    }

    /// It was right. What it was for is done: that it stays counted must not undo it.
    pub(crate) async fn forget(self) {
        let _ = self.directory.forget(&self.limit.attempts).await;
    }
}

/// The network of an address: the address itself for IPv4, its /64 for IPv6, which is what one
/// customer of a provider has.
pub(crate) fn network(ip: &str) -> String {
    match ip.parse::<IpAddr>() {
        Ok(IpAddr::V6(address)) if address.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        _ => ip.to_owned(),
    }
}

/// A network as a login remembers it: not the address, which is personal data.
pub(crate) fn digest(email: &Email, network: &str) -> String {
    let hash = Sha256::new().chain_update(email.as_str()).chain_update([0]).chain_update(network).finalize();
    URL_SAFE_NO_PAD.encode(&hash[..12])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_bounded() {
        let limit = Limit::for_network(Act::Login, "192.0.2.1");
        assert_eq!(limit.wait_after(FREE_PER_NETWORK - 1), 0);
        assert_eq!(limit.wait_after(FREE_PER_NETWORK), 1000);
        assert_eq!(limit.wait_after(FREE_PER_NETWORK + 1), 2000);
        assert_eq!(limit.wait_after(u32::MAX), 5 * 60 * 1000);
    }

    #[test]
    fn a_v6_network_is_its_64_bit_prefix() {
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), network("2001:db8:1:2::1"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
        assert_eq!(network("::ffff:192.0.2.1"), "::ffff:192.0.2.1");
    }
}
