use nexo_identity::{Principal, Verified};

fn forge() -> Verified<Principal> {
    Verified::default()
}

fn main() {}
