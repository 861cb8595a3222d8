use nexo_domain::AccountId;
use nexo_identity::{Principal, Verified};

fn forge(verified: &mut Verified<Principal>, victim: AccountId) {
    verified.account = victim;
}

fn main() {}
