//! Invitations: written by those who invite, under credentials that the engine limits to their account.

use aws_sdk_dynamodb::types::AttributeValue;
use nexo_domain::{Id, LinkId, RoleRef, Tags};
use nexo_identity::Link;

use crate::directory::INVITATION_LINK;
use crate::expression::Expression;
use crate::members::{MemberRefusal, Part, key_of};
use crate::record::{Entity, Input, Record, attributes};
use crate::table::Stamp;
use crate::transaction::Transaction;
use crate::{Organization, Outgoing, TenantTable};

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
    /// [`MemberRefusal::Changed`] when what it was judged by was changed meanwhile.
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
    /// [`MemberRefusal::Changed`] when it, or what it was judged by, was changed meanwhile.
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
        self.hold_organization(&mut transaction, offer.organization, offer.roles)?;
        self.settle(transaction, stamp).await
    }
}
