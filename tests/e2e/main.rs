//! Tests of the whole product, through the gateway.

mod matrix;
mod roadmap;
