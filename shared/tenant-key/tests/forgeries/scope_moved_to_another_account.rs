use nexo_tenant_key::{AccountId, TenantScope};

fn forge(scope: &mut TenantScope, victim: AccountId) {
    *scope.account() = victim;
}

fn main() {}
