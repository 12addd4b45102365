//! A look at a consent before the user is sent to it: what would only show in the browser, or in a wait that ends in vain.

use url::Url;

use super::{oauth2_providers::OAuth2Provider, trouble::Trouble};
use crate::error::Error;

/// Vendor number of Feishu and Lark.
const FEISHU: i64 = 4;
const FEISHU_HOSTS: [&str; 3] = ["feishu.cn", "larksuite.com", "larkoffice.com"];
/// Scopes of OpenID Connect, which Feishu refuses with error 20043.
const OPENID_SCOPES: [&str; 3] = ["openid", "profile", "email"];

/// What an authorization URL must agree with.
pub(crate) struct Expected<'a> {
    pub(crate) provider: &'a str,
    /// Where the vault listens, or where code says that it does.
    pub(crate) callback: Option<&'a str>,
    /// The platform is on this machine: it may stand in for a documented callback that the record has.
    pub(crate) on_loopback: bool,
    /// The provider's record, if the agent may read it.
    pub(crate) record: Option<&'a OAuth2Provider>,
}

/// Refuses an authorization URL that cannot end well. It is only looked at, and neither changed nor quoted.
pub(crate) fn inspect(link: &str, expected: &Expected<'_>) -> Result<(), Error> {
    let provider = || expected.provider.to_owned();
    let (record, url) = (expected.record, Url::parse(link).ok());
    let parameter = |name: &str| {
        let mut pairs = url.iter().flat_map(Url::query_pairs);
        pairs.find(|(given, _)| given == name).map(|(_, value)| value.into_owned())
    };
    if let Some(configured) = record.and_then(|record| record.flow.as_deref()).filter(|flow| *flow != "USER_FEDERATION")
    {
        let (configured, asked) = (configured.to_owned(), "USER_FEDERATION".to_owned());
        return Err(Trouble::FlowMismatch { provider: provider(), configured, asked }.into());
    }
    let of_record = record.and_then(|record| record.redirect_url.as_deref()).filter(|url| !url.is_empty());
    let listens_at = expected.callback.or(of_record.filter(|_| !expected.on_loopback));
    for found in [parameter("redirect_uri"), of_record.map(str::to_owned)].into_iter().flatten() {
        if let Some(wanted) = listens_at.filter(|wanted| *wanted != found) {
            let (found, expected) = (without_query(&found), wanted.to_owned());
            return Err(Trouble::CallbackMisconfigured { provider: provider(), found, expected }.into());
        }
    }
    if let (Some(found), Some(wanted)) = (parameter("client_id"), record.and_then(|record| record.client_id.as_deref()))
        && found != wanted
    {
        return Err(Trouble::ClientIdMismatch { provider: provider(), found, expected: wanted.to_owned() }.into());
    }
    let scopes = parameter("scope").unwrap_or_default();
    let of_record = record.map(|record| record.scopes.join(" ")).unwrap_or_default();
    check_scopes(expected.provider, is_feishu(url.as_ref(), record), &scopes, &of_record)
}

/// Scopes that the record does not have are no error, for a request may name its own; but they are often a mistake.
fn check_scopes(provider: &str, feishu: bool, of_link: &str, of_record: &str) -> Result<(), Error> {
    let unknown = unlisted(of_link, of_record);
    if unknown > 0 {
        tracing::warn!(provider, unknown, "the consent asks for scopes that the provider's record does not have");
    }
    if !feishu {
        return Ok(());
    }
    // A link that names none asks for those of the record.
    let asked = if of_link.trim().is_empty() { of_record } else { of_link };
    let scopes: Vec<&str> = asked.split_whitespace().collect();
    let wrong: Vec<&str> = scopes.iter().copied().filter(|scope| OPENID_SCOPES.contains(scope)).collect();
    if !wrong.is_empty() {
        return Err(Trouble::ScopeNotSupported { provider: provider.to_owned(), scopes: wrong.join(" ") }.into());
    }
    if !scopes.is_empty() && !scopes.contains(&"offline_access") {
        tracing::warn!(provider, "without the scope offline_access the user is asked again whenever the token is over");
    }
    Ok(())
}

/// How many scopes of the link the record does not have, if it has any.
fn unlisted(of_link: &str, of_record: &str) -> usize {
    let known: Vec<&str> = of_record.split_whitespace().collect();
    if known.is_empty() {
        return 0;
    }
    of_link.split_whitespace().filter(|scope| !known.contains(scope)).count()
}

fn is_feishu(url: Option<&Url>, record: Option<&OAuth2Provider>) -> bool {
    let host = url.and_then(Url::host_str).unwrap_or_default();
    let named = FEISHU_HOSTS.iter().any(|domain| host == *domain || host.ends_with(&format!(".{domain}")));
    named || record.is_some_and(|record| record.vendor == Some(FEISHU))
}

/// Refuses a URL to come back to that a browser cannot come back to. `loopback` says that the platform is on this machine
/// too; else a redirect URI of this machine leads nowhere.
pub(crate) fn check_landing(text: &str, what: &'static str, loopback: bool) -> Result<(), Error> {
    let url = Url::parse(text).map_err(|_| Error::invalid(format!("the {what} is not a URL")))?;
    let host = url.host_str().unwrap_or_default();
    let runtime = host.ends_with(".volceapi.com") && host.contains(".apigateway-");
    let lost = what == "redirect URL" && identity_grammar::is_loopback_host(host) && !loopback;
    if runtime || lost {
        return Err(Trouble::CallbackRefused { what, host: host.to_owned() }.into());
    }
    if what == "return URL" && host.starts_with("auth.id.") && url.path().ends_with("/oauth2callback") {
        return Err(Error::invalid(
            "the return URL is the vault's own callback, to which the outside provider sends the browser",
        )
        .with_hint("leave it to the provider's record; a return URL (`callback_url`) is a page of your application"));
    }
    Ok(())
}

fn without_query(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) => {
            url.set_query(None);
            url.set_fragment(None);
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.into()
        }
        Err(_) => "something that is not a URL".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLBACK: &str = "https://auth.id.cn-beijing.volces.com/api/v1/oauth2callback";

    fn link(redirect: &str, client: &str, scope: &str) -> String {
        let mut url = Url::parse("https://accounts.feishu.cn/open-apis/authen/v1/authorize").unwrap();
        url.query_pairs_mut().extend_pairs([("client_id", client), ("redirect_uri", redirect), ("scope", scope)]);
        url.query_pairs_mut().append_pair("state", "secret-state");
        url.into()
    }

    fn record() -> OAuth2Provider {
        let text = format!(
            r#"{{"Name":"feishu","Vendor":4,"Config":{{"ClientId":"cli_1","Flow":"USER_FEDERATION","Scopes":["docx:document:readonly"],"RedirectUrl":"{CALLBACK}"}}}}"#
        );
        OAuth2Provider::of_json(&text)
    }

    fn look(link: &str, record: Option<&OAuth2Provider>) -> Option<Trouble> {
        let expected = Expected { provider: "feishu", callback: Some(CALLBACK), on_loopback: false, record };
        let error = inspect(link, &expected).err()?;
        assert!(!format!("{error} {error:?}").contains("secret-state"), "{error}");
        assert!(error.hint().is_some());
        Trouble::of(&error).cloned()
    }

    #[test]
    fn what_can_work_passes_with_and_without_the_record() {
        let good = link(CALLBACK, "cli_1", "docx:document:readonly offline_access");
        assert_eq!(look(&good, Some(&record())), None);
        assert_eq!(look(&good, None), None);
        // A pushed request shows nothing to look at.
        assert_eq!(
            look("https://idp.example.com/authorize?client_id=cli_1&request_uri=urn:x:1", Some(&record())),
            None
        );
    }

    #[test]
    fn each_trouble_that_only_the_browser_would_show_is_found() {
        let runtime = "https://sd1.apigateway-cn-beijing.volceapi.com/callback?x=secret-state";
        let found = look(&link(runtime, "cli_1", ""), None);
        assert!(matches!(found, Some(Trouble::CallbackMisconfigured { found, .. }) if !found.contains("secret")));
        let mut wrong = record();
        wrong.redirect_url = Some("http://127.0.0.1:8082/callback".to_owned());
        assert!(matches!(
            look(&link(CALLBACK, "cli_1", ""), Some(&wrong)),
            Some(Trouble::CallbackMisconfigured { .. })
        ));
        assert!(matches!(look(&link(CALLBACK, "cli_2", ""), Some(&record())), Some(Trouble::ClientIdMismatch { .. })));
        let found = look(&link(CALLBACK, "cli_1", "openid docx:document:readonly email"), None);
        assert!(matches!(found, Some(Trouble::ScopeNotSupported { scopes, .. }) if scopes == "openid email"));
        let mut openid = record();
        openid.scopes = vec!["openid".to_owned(), "docx:document:readonly".to_owned()];
        // What the link names counts, and else what the record has.
        assert_eq!(look(&link(CALLBACK, "cli_1", "docx:document:readonly"), Some(&openid)), None);
        let found = look(&link(CALLBACK, "cli_1", ""), Some(&openid));
        assert!(matches!(found, Some(Trouble::ScopeNotSupported { scopes, .. }) if scopes == "openid"));
        let mut other = record();
        other.flow = Some("M2M".to_owned());
        assert!(matches!(look(&link(CALLBACK, "cli_1", ""), Some(&other)), Some(Trouble::FlowMismatch { .. })));
    }

    #[test]
    fn scopes_of_the_link_are_compared_with_those_of_the_record() {
        for (of_link, of_record, unknown) in
            [("a b", "b a c", 0), ("a b", "a", 1), ("a b", "", 0), ("", "a", 0), ("a ab", "ab", 1)]
        {
            assert_eq!(unlisted(of_link, of_record), unknown, "{of_link} {of_record}");
        }
    }

    #[test]
    fn a_url_to_come_back_to_must_be_one_that_a_browser_reaches() {
        check_landing("https://app.example.com/return", "return URL", false).unwrap();
        check_landing("http://127.0.0.1:1/return", "return URL", false).unwrap();
        check_landing("http://127.0.0.1:1/oauth2callback", "redirect URL", true).unwrap();
        for (url, what) in [
            ("https://sd1.apigateway-cn-beijing.volceapi.com/return", "return URL"),
            ("https://sd1.apigateway-cn-beijing.volceapi.com/return", "redirect URL"),
            ("http://127.0.0.1:1/callback", "redirect URL"),
            (CALLBACK, "return URL"),
            ("nowhere", "return URL"),
        ] {
            check_landing(url, what, false).unwrap_err();
        }
    }
}
