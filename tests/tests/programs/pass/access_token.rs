#![deny(warnings)]

use identity_client::{AccessToken, Error, requires_access_token};

const READ: &str = "files.read";
const SCOPES: [&str; 2] = [READ, "files.write"];

#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = ["files.read"])]
async fn literals(access_token: AccessToken) -> Result<(), Error> {
    drop(access_token);
    Ok(())
}

#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = [READ, "other", format!("a{suffix}")])]
async fn mixed(suffix: &str, access_token: AccessToken) -> Result<(), Error> {
    drop(access_token);
    Ok(())
}

#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = SCOPES)]
async fn array(access_token: AccessToken) -> Result<(), Error> {
    drop(access_token);
    Ok(())
}

#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = wanted)]
async fn slice(wanted: &[String], access_token: AccessToken) -> Result<(), Error> {
    drop(access_token);
    Ok(())
}

#[requires_access_token(provider_name = "drive", auth_flow = "M2M", scopes = vec![READ.to_owned()])]
async fn vector(access_token: AccessToken) -> Result<(), Error> {
    drop(access_token);
    Ok(())
}

fn main() {
    drop((literals(), mixed("x"), array(), slice(&[]), vector()));
}
