//! What an agent serves over HTTP, as [`axum`] routers to mount in an application.
//!
//! So far one thing: [`ReturnUrlRouter`], through which a user sets out for a consent and comes back from it, so that an
//! [`identity_client::SessionBinding`] can tell whether whoever agreed is whoever was asked.

mod return_url;

pub use return_url::{PathRefusal, ReturnUrlRouter};
