use nexo_tenant_key::Key;

fn forge() -> Key {
    Key::default()
}

fn main() {}
