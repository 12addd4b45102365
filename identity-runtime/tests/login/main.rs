//! `LoginClient` over real connections on loopback, against an issuer of these tests: every step of a login, and every way in
//! which it must not work out.

mod browser;
mod issuer;
mod login;
mod logout;
mod refusals;
mod renewal;
mod sessions;
mod stage;
