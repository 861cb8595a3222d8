//! Invitations: written by those who invite, under credentials that the engine limits to their account.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{AccountId, Email, Id, LinkId, RoleRef, Tags, Timestamp};
use nexo_identity::Link;

use crate::directory::INVITATION_LINK;
use crate::expression::Expression;
use crate::members::{MemberRefusal, Part};
use crate::record::{Entity, Input, RECORD_KIND, RECORD_SCHEMA, Record, attributes};
use crate::table::Stamp;
use crate::transaction::{Transaction, key_of};
use crate::{Organization, Outgoing, StoreError, TenantTable};

/// An offer as it goes out: the link that accepts it, and the mail that has the link.
#[derive(Clone, Debug)]
pub struct Offer<'a> {
    /// The link. Earlier ones of the same invitation are no longer good.
    pub link: &'a Link,
    /// The mail.
    pub mail: &'a Outgoing,
    /// When the invitation is forgotten, in seconds since the Unix epoch.
    pub forget_at: i64,
    /// What the invitation was judged by.
    pub organization: &'a Organization,
    /// The roles that it gives.
    pub roles: &'a [RoleRef],
}

/// An account is new for so long, in milliseconds.
const NEW_MS: i64 = 7 * 24 * 3600 * 1000;

/// A limit on mails that invite, new and sent again together. Each mail is counted in the transaction that
/// writes it, in periods of whole days since the Unix epoch, so requests at once cannot pass it.
///
/// Invitations go to strangers in our name, and whoever registers can send them. Mail services judge a sender
/// by how many of its mails bounce or are complained about, and SES stops it at 10 % and 0.5 %
/// (<https://docs.aws.amazon.com/ses/latest/dg/faqs-enforcement.html>): one account is not to matter
/// for that, and no stranger's mailbox is to be filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailLimit {
    /// Of an account, to whomever.
    OfAccount,
    /// Of an account in its first week: accounts cost nothing to make.
    OfNewAccount,
    /// Of an account, to one address; a new invitation in place of a revoked one counts too.
    ToAddress,
}

impl MailLimit {
    pub(crate) const ALL: [Self; 3] = [Self::OfAccount, Self::OfNewAccount, Self::ToAddress];

    /// The one that an account is under as a whole.
    fn of(account: &AccountId, now: Timestamp) -> Self {
        let age = now.as_millis() - i64::try_from(account.timestamp_ms()).unwrap_or(i64::MAX);
        if age < NEW_MS { Self::OfNewAccount } else { Self::OfAccount }
    }

    /// So many mails, in so many days.
    pub const fn most_in_days(self) -> (u32, i64) {
        match self {
            Self::OfAccount => (100, 1),
            Self::OfNewAccount => (25, 1),
            Self::ToAddress => (5, 7),
        }
    }

    const fn period_seconds(self) -> i64 {
        self.most_in_days().1 * 24 * 3600
    }

    /// Until the period after that of `now`.
    pub(crate) fn wait_seconds(self, now: Timestamp) -> u64 {
        let period = self.period_seconds();
        (period - now.as_seconds().rem_euclid(period)).unsigned_abs()
    }
}

impl Offer<'_> {
    fn write(&self, change: &mut Expression) {
        change.set(INVITATION_LINK, link_attribute(self.link.id()));
        change.set("expiresAt", AttributeValue::N(self.forget_at.to_string()));
    }
}

fn link_attribute(link: &LinkId) -> AttributeValue {
    AttributeValue::S(link.ulid().to_owned())
}

impl TenantTable {
    /// Writes an invitation and its mail, in one transaction.
    ///
    /// # Errors
    /// [`MemberRefusal::Changed`] when what it was judged by was changed meanwhile,
    /// [`MemberRefusal::TooManyMails`].
    pub async fn invite<R: Record>(
        &self,
        id: Id<R::Kind>,
        fields: R,
        offer: &Offer<'_>,
    ) -> Result<Entity<R>, MemberRefusal> {
        let stamp = self.stamp()?;
        let input = Input { owner_id: None, tags: Tags::default(), external_id: None, fields };
        let entity = self.first_version(id, stamp.now, input);
        let mut item = entity.to_item(&self.scope.record(&id))?;
        item.extend(self.authorship(&stamp).map(|(name, value)| (name.to_owned(), value)));
        item.insert(INVITATION_LINK.into(), link_attribute(offer.link.id()));
        item.insert("expiresAt".into(), AttributeValue::N(offer.forget_at.to_string()));
        let mut transaction = Transaction::new(&self.store.table);
        transaction.put_new(Part::User, item)?;
        self.send_offer(transaction, offer, &stamp).await?;
        Ok(entity)
    }

    /// Offers a pending invitation once more: with another link, and for as long again.
    ///
    /// # Errors
    /// [`MemberRefusal::Changed`] when it, or what it was judged by, was changed meanwhile,
    /// [`MemberRefusal::TooManyMails`].
    pub async fn offer_again<R: Record>(
        &self,
        before: &Entity<R>,
        fields: R,
        offer: &Offer<'_>,
    ) -> Result<Entity<R>, MemberRefusal> {
        let stamp = self.stamp()?;
        let mut change = self.authored(&stamp);
        change.if_exists("pk").if_absent("deletedAt");
        change.if_equal("version", AttributeValue::N(before.version.to_string()));
        for (name, value) in attributes(&fields)? {
            change.set(&name, value);
        }
        offer.write(&mut change);
        Self::touch(&mut change, &stamp);
        let mut transaction = Transaction::new(&self.store.table);
        transaction.update(Part::User, key_of(&self.scope.record(&before.id)), &change)?;
        self.send_offer(transaction, offer, &stamp).await?;
        let mut after = before.clone();
        after.input.fields = fields;
        self.stamp_entity(&mut after, &stamp);
        Ok(after)
    }

    async fn send_offer(
        &self,
        mut transaction: Transaction<Part>,
        offer: &Offer<'_>,
        stamp: &Stamp,
    ) -> Result<(), MemberRefusal> {
        offer.mail.post(&mut transaction, Part::Mail)?;
        for limit in [MailLimit::of(self.scope.account(), stamp.now), MailLimit::ToAddress] {
            self.count(&mut transaction, limit, &offer.mail.letter.to, stamp.now)?;
        }
        self.hold_organization(&mut transaction, offer.organization, offer.roles)?;
        self.settle(transaction, stamp).await
    }

    fn count(
        &self,
        transaction: &mut Transaction<Part>,
        limit: MailLimit,
        to: &Email,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let period = now.as_seconds().div_euclid(limit.period_seconds());
        let to = (limit == MailLimit::ToAddress).then_some(to);
        let mut count = Expression::new();
        count.count_up("mails", limit.most_in_days().0);
        let expires_at = (period + 1) * limit.period_seconds();
        count.set("expiresAt", AttributeValue::N(expires_at.to_string()));
        count.set(RECORD_KIND, AttributeValue::S("invitationMails".into()));
        count.set(RECORD_SCHEMA, AttributeValue::N("1".into()));
        transaction.update(Part::Mails(limit), key_of(&self.scope.invitation_mails(period, to)), &count)
    }
}
