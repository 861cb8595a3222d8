use nexo_identity::{Principal, Verified};

fn forge(mut verified: Verified<Principal>, victim: Principal) {
    verified.0 = victim;
}

fn main() {}
