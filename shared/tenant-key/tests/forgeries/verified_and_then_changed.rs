use nexo_domain::AccountId;
use nexo_identity::{Principal, Verified};

fn forge(mut verified: Verified<Principal>, victim: AccountId) {
    verified.account = victim;
}

fn main() {}
