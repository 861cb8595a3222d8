use nexo_tenant_key::{Key, Partition};

fn forge(key: &mut Key, partition: Partition) {
    key.partition = partition;
}

fn main() {}
