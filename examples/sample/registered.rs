//! The two OAuth applications, and what follows from them: the audience of the users' tokens, the client of the OAuth 2.0 provider,
//! and the one callback that this provider and its application must agree on. Until they are made, none of it is known.

use identity_client::agent_identity::Application;

use super::{
    Found, Sample,
    compare::{Compared, change_if_told, change_of_list},
    desired::{APPLICATION_MARK, Registration},
    secret,
    step::{Step, Thing},
};
use crate::Anything;

/// Whether `prepare` made it.
pub(crate) fn is_ours(application: &Application) -> bool {
    application.display_name.as_deref() == Some(APPLICATION_MARK)
}

/// For whom the users' tokens must be, if that is known by now.
pub(crate) fn audience(sample: &Sample, found: &Found) -> Option<Vec<String>> {
    let registered = || found.sign_in_application.as_ref().map(|application| vec![application.id.clone()]);
    sample.audience.clone().or_else(registered)
}

/// The client of the OAuth 2.0 provider, if that is known by now.
pub(crate) fn client_id<'a>(sample: &'a Sample, found: &'a Found) -> Option<&'a str> {
    match &sample.client {
        Some(client) => Some(&client.id),
        None => found.mcp_application.as_ref().map(|application| application.id.as_str()),
    }
}

/// Where the MCP application takes the browser back to: to the provider if there is one, for it cannot be asked to forget what users
/// agreed to, else where it was registered for.
pub(crate) fn callback(found: &Found) -> Option<&str> {
    let of_provider = found.oauth2_provider.as_ref().and_then(|provider| provider.callback_url.as_deref());
    let of_application = || found.mcp_application.as_ref()?.redirect_uris.first().map(String::as_str);
    of_provider.filter(|url| !url.is_empty()).or_else(of_application)
}

/// A callback that nobody has, at the data plane that belongs to this control plane.
pub(crate) fn new_callback(control_endpoint: &str) -> Result<String, Anything> {
    let origin = control_endpoint.trim_end_matches('/').replacen("//agentidentity.", "//agentidentitydata.", 1);
    Ok(format!("{origin}/oauth2/callback/{}", secret::uuid()?))
}

pub(crate) fn sign_in(sample: &Sample, found: &Found) -> Step {
    let name = &sample.names.sign_in_application;
    step(
        Thing::SignInApplication,
        name,
        found.sign_in_application.as_ref(),
        &Registration::SIGN_IN,
        Some(&sample.sign_in_urls),
    )
}

pub(crate) fn mcp(sample: &Sample, found: &Found) -> Step {
    let urls = callback(found).map(|url| vec![url.to_owned()]);
    let name = &sample.names.mcp_application;
    step(Thing::McpApplication, name, found.mcp_application.as_ref(), &Registration::MCP, urls.as_deref())
}

fn step(
    thing: Thing,
    name: &str,
    found: Option<&Application>,
    desired: &Registration,
    urls: Option<&[String]>,
) -> Step {
    let compared = found.map(|found| {
        let names: Vec<&str> = found.scopes.iter().map(|scope| scope.name.as_str()).collect();
        let required: Vec<&str> =
            found.scopes.iter().filter(|scope| scope.required).map(|scope| scope.name.as_str()).collect();
        let changes = [
            urls.and_then(|urls| change_of_list("redirect URIs", &found.redirect_uris, urls)),
            change_of_list("scopes", &names, desired.scopes),
            change_of_list("required scopes", &required, desired.scopes),
        ];
        let fixed = [
            change_if_told("kind", found.kind.as_deref(), desired.kind.as_str()),
            change_if_told("OAuth version", found.protocol_version.as_deref(), Registration::PROTOCOL),
        ];
        Compared::new(is_ours(found), changes.into_iter().flatten()).with_fixed(fixed.into_iter().flatten())
    });
    let remark = found.map_or_else(String::new, |found| format!("; its client id is {:?}", found.id));
    Compared::step(compared, thing, name, &remark, || {
        let back = urls.map_or_else(|| "the callback of the OAuth 2.0 provider".to_owned(), |urls| format!("{urls:?}"));
        format!("{}, scopes {:?}, back to {back}", desired.kind, desired.scopes)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_callback_is_one_of_the_data_plane() {
        let callback = new_callback("https://agentidentity.cn-beijing.aliyuncs.com/").unwrap();
        let id = callback.strip_prefix("https://agentidentitydata.cn-beijing.aliyuncs.com/oauth2/callback/").unwrap();
        assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(new_callback("http://127.0.0.1:4000").unwrap().starts_with("http://127.0.0.1:4000/oauth2/callback/"));
        assert_ne!(callback, new_callback("https://agentidentity.cn-beijing.aliyuncs.com/").unwrap());
    }
}
