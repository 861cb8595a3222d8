use nexo_identity::{Principal, Verified};
use nexo_tenant_key::TenantScope;

fn forge(scope: &mut TenantScope, victim: Verified<Principal>) {
    scope.principal = victim;
}

fn main() {}
