use nexo_identity::{Credentials, Principal, Verified};
use nexo_tenant_key::TenantScope;

fn forge(principal: Verified<Principal>, credentials: Credentials) -> TenantScope {
    TenantScope { principal, credentials }
}

fn main() {}
