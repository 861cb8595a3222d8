//! Where a request without a session comes from, and how it is held back.

use nexo_api::{Caller, Problem};
use nexo_domain::{AccountId, Email};
use nexo_identity::Clock;
use nexo_mail::Message;
use nexo_store::{AttemptCount, Attempts, Directory, Login, Outgoing};

use crate::attempts::{self, Act, Limit, digest, network};
use crate::links;

/// Networks a login remembers.
const NETWORKS: usize = 10;

/// The network that tries something at an address. One that the address was logged in from before is known, and
/// has a count of its own where strangers could keep somebody out: what they try does not hold it back.
pub(crate) struct Origin {
    /// What is tried from the network, at whatever address.
    pub(crate) by_network: Limit,
    /// What is tried at the address: from here, where the network is known, and from all others otherwise.
    pub(crate) by_address: Limit,
    seen: [AttemptCount; 2],
    digest: String,
    is_known: bool,
}

impl Origin {
    /// Looks at the counts, and answers the login of the address, if it has one. One call.
    pub(crate) async fn look(
        directory: &Directory,
        act: Act,
        email: &Email,
        caller: &Caller,
    ) -> Result<(Self, Option<Login>), Problem> {
        let network = network(&caller.ip);
        let by_network = Limit::for_network(act, &network);
        let by_email = Limit::for_email(act, email);
        let by_known = Limit::for_known_network(act, email, &network);
        let counts = [&by_network, &by_email, &by_known].map(|limit| limit.attempts.clone());
        let view = directory.login(email, &counts).await?;
        let [from_network, at_email, at_known] = <[AttemptCount; 3]>::try_from(view.attempts)
            .map_err(|_| Problem::internal(&"as many counts as were asked for"))?;
        let digest = digest(email, &network);
        let is_known = view.login.as_ref().is_some_and(|login| login.networks.contains(&digest));
        let (by_address, at_address) =
            if is_known && act.spares_known_networks() { (by_known, at_known) } else { (by_email, at_email) };
        let seen = [from_network, at_address];
        Ok((Self { by_network, by_address, seen, digest, is_known }, view.login))
    }

    /// Counts an attempt at the address, or refuses it. Nothing is counted when the address must wait.
    pub(crate) async fn count(&self, directory: &Directory, clock: &Clock) -> Result<(), Problem> {
        let [_, at_address] = self.seen;
        attempts::due(clock, at_address)?;
        self.count_network(directory, clock).await?;
        attempts::count(directory, clock, &self.by_address, at_address).await
    }

    /// Counts an attempt that guesses at nothing of the address.
    pub(crate) async fn count_network(&self, directory: &Directory, clock: &Clock) -> Result<(), Problem> {
        let [from_network, _] = self.seen;
        attempts::count(directory, clock, &self.by_network, from_network).await
    }

    /// The counts of failed logins at the address that hold back whoever is here: those of all networks that it
    /// was not logged in from, and this network's own.
    pub(crate) fn counts_at_address(&self, email: &Email) -> Vec<Attempts> {
        let here = self.is_known.then(|| self.by_address.attempts.clone());
        std::iter::once(Limit::for_email(Act::Login, email).attempts).chain(here).collect()
    }

    /// The login with this network as the one it was used from last.
    pub(crate) fn remember(&self, mut login: Login) -> Login {
        login.networks.retain(|known| *known != self.digest);
        login.networks.insert(0, self.digest.clone());
        login.networks.truncate(NETWORKS);
        login
    }

    /// What the user is told of a login from here: nothing, if there was one before.
    pub(crate) fn mail(
        &self,
        clock: &Clock,
        caller: &Caller,
        account: AccountId,
        email: &Email,
    ) -> Result<Option<Outgoing>, Problem> {
        if self.is_known {
            return Ok(None);
        }
        let message = Message::NewSignIn(links::occasion(clock, caller));
        links::outgoing(clock, Some(account), email, message).map(Some)
    }
}
