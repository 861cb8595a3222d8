//! What the forgeries leave out.

use nexo_domain::ClientId;
use nexo_identity::{CredentialCache, Verifier};
use nexo_tenant_key::{Key, TenantScope};

async fn key(verifier: &Verifier, cache: &CredentialCache, token: &str, client: &ClientId) -> Option<Key> {
    let principal = verifier.verify(token).await.ok()?;
    let credentials = cache.for_principal(&principal).await.ok()?;
    let scope = TenantScope::new(principal, credentials).ok()?;
    Some(scope.record(client))
}

fn main() {
    let _ = key;
}
