//! Signing users in to a front end: routes, cookies and sessions around [`identity_client::login`].

mod builder;
mod client;
mod cookies;
mod key;
mod layer;
mod pages;
mod routes;
mod seal;
mod session;
mod spent;
mod store;

pub(crate) use self::layer::place_of;
pub use self::{
    builder::{LoginBuildError, LoginClientBuilder},
    client::LoginClient,
    key::SessionKey,
    layer::{LoginLayer, LoginService, NotSignedIn},
    session::LoginSession,
};
