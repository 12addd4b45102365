//! An agent behind `CustomJwtLayer`, called with tokens of real issuers: a certified OpenID provider for Node, and Glewlwyd, which is
//! written in C. See `peers/README.md` for what must be installed.

mod agent;
mod certified;
mod forgery;
mod glewlwyd;
#[path = "../browser/openid.rs"]
#[expect(dead_code, reason = "the tests with a browser ask the provider for more")]
mod openid;
mod rotation;
