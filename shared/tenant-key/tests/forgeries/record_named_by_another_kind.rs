use nexo_domain::{UserId, kind};
use nexo_tenant_key::{Key, TenantScope};

fn forge(scope: &TenantScope, user: &UserId) -> Key {
    scope.record::<kind::Client>(user)
}

fn main() {}
