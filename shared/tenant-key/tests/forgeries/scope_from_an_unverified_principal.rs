use nexo_identity::{Credentials, Principal};
use nexo_tenant_key::TenantScope;

fn forge(principal: Principal, credentials: Credentials) {
    let _ = TenantScope::new(principal, credentials);
}

fn main() {}
