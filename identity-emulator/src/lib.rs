//! Under construction.

pub mod oauth;
pub mod provider;
