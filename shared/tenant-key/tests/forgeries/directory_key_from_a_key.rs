use nexo_tenant_key::{DirectoryKey, Key};

fn read_under_the_functions_role(_: &DirectoryKey) {}

fn forge(key: &Key) {
    read_under_the_functions_role(key);
}

fn main() {}
