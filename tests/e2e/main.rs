//! Tests of the whole product, through the gateway.

mod roadmap;
