//! The account's OAuth applications: the clients with which people sign in to Alibaba Cloud, for an application of yours or for an
//! agent. The service behind them is called IMS. Source: `https://www.alibabacloud.com/help/en/ram/developer-reference/api-ims-2019-08-15-createapplication`
//! and the pages beside it, and the vendor's generated client.

use std::{fmt, ops::RangeInclusive, time::Duration};

use serde::{Deserialize, Deserializer};
use url::Url;

use super::{
    call::{Call, Caller, Plane},
    form::Form,
    types::wrapped,
};
use crate::{
    error::Error,
    wire::{check_length, or_default, timestamp},
};

/// Lists are one parameter, joined with this.
const SEPARATOR: &str = ";";
const NOT_FOUND: &str = "check the application's id and the account";
/// Seconds that an access token of an application may live.
const ACCESS_TOKEN: RangeInclusive<u64> = 900..=10_800;
/// Seconds that a refresh token of an application may live.
const REFRESH_TOKEN: RangeInclusive<u64> = 7_200..=31_536_000;

/// Manages the OAuth applications of the account (IMS, version 2019-08-15). Cheap to clone.
///
/// An application is a client of Alibaba Cloud's own sign-in. Its id is the client id: the audience of an identity provider whose
/// users sign in through it, or the client of an `AliyunOAuth2` provider with which an agent gets their tokens.
///
/// ```no_run
/// # async fn run(management: identity_client::agent_identity::Management) -> Result<(), identity_client::Error> {
/// use identity_client::agent_identity::{ApplicationKind, NewApplication, NewIdentityProvider};
///
/// let new = NewApplication::new("sample-sign-in", "Sample", ApplicationKind::WebApp)?
///     .with_redirect_uris(["https://app.example.com/callback"])?
///     .with_scopes(["openid", "aliuid", "profile"])?
///     .with_protocol_version("2.1");
/// let audience = management.applications().create(new).await?.id;
/// let issuer = "https://oauth.aliyun.com/.well-known/openid-configuration";
/// management.identity_providers().create(NewIdentityProvider::new("users", issuer, [audience])?).await?;
/// # Ok(())
/// # }
/// ```
///
/// Errors and cancellation: see [`Management`](super::Management).
#[derive(Debug, Clone)]
pub struct Applications {
    caller: Caller,
}

/// Where an application runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApplicationKind {
    /// On a server, used in a browser. It always has a secret.
    WebApp,
    /// On the user's machine, where no secret stays one; without one unless asked for.
    NativeApp,
    /// On a server, without users: only the synchronisation of users (SCIM).
    ServerApp,
}

impl ApplicationKind {
    /// As the service spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebApp => "WebApp",
            Self::NativeApp => "NativeApp",
            Self::ServerApp => "ServerApp",
        }
    }
}

impl fmt::Display for ApplicationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An OAuth application. Every field of an answer but the id can be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct Application {
    /// Its id, which is the OAuth client id.
    #[serde(rename = "AppId")]
    pub id: String,
    /// Its name, of which there is one in an account.
    #[serde(rename = "AppName")]
    pub name: Option<String>,
    /// What users read when they are asked for consent.
    pub display_name: Option<String>,
    /// Where it runs, for example `WebApp` ([`ApplicationKind`]).
    #[serde(rename = "AppType")]
    pub kind: Option<String>,
    /// The OAuth version, `2.0` or `2.1`.
    pub protocol_version: Option<String>,
    /// Where a browser may land after the sign-in.
    #[serde(deserialize_with = "redirect_uris")]
    pub redirect_uris: Vec<String>,
    /// For what it may ask. `openid` is always among them.
    #[serde(rename = "DelegatedScope", deserialize_with = "delegated")]
    pub scopes: Vec<ApplicationScope>,
    /// Whether other accounts may use it.
    pub is_multi_tenant: Option<bool>,
    /// Whether it must show a secret.
    pub secret_required: Option<bool>,
    /// How long an access token lives.
    #[serde(rename = "AccessTokenValidity", deserialize_with = "lifetime")]
    pub access_token_lifetime: Option<Duration>,
    /// How long a refresh token lives.
    #[serde(rename = "RefreshTokenValidity", deserialize_with = "lifetime")]
    pub refresh_token_lifetime: Option<Duration>,
    /// When it was made.
    #[serde(rename = "CreateDate", deserialize_with = "timestamp")]
    pub create_time: Option<std::time::SystemTime>,
    /// When it was last changed.
    #[serde(rename = "UpdateDate", deserialize_with = "timestamp")]
    pub update_time: Option<std::time::SystemTime>,
}

/// A scope of an application.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[non_exhaustive]
pub struct ApplicationScope {
    /// Its name, for example `aliuid` or `/acs/mcp-server`.
    pub name: String,
    /// What it allows, in the service's words.
    pub description: Option<String>,
    /// Whether users cannot leave it out when they consent.
    #[serde(deserialize_with = "or_default")]
    pub required: bool,
}

/// An application to make.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewApplication {
    name: String,
    kind: ApplicationKind,
    protocol_version: Option<String>,
    settings: ApplicationUpdate,
}

impl NewApplication {
    /// Its name (at most 64 letters, digits, `.`, `_` and `-`), what users read when they are asked for consent (documented as at
    /// most 24 characters, which the service judges), and where it runs.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest), saying which part is wrong.
    pub fn new(name: impl Into<String>, display_name: impl Into<String>, kind: ApplicationKind) -> Result<Self, Error> {
        let (name, display_name) = (name.into(), display_name.into());
        let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if !(1..=64).contains(&name.len()) || !name.bytes().all(fits) {
            return Err(Error::invalid(
                "invalid application name: 1 to 64 characters are allowed, each a letter, a digit, `.`, `_` or `-`",
            ));
        }
        let settings = ApplicationUpdate::default().with_display_name(display_name)?;
        Ok(Self { name, kind, protocol_version: None, settings })
    }

    /// The OAuth version, `2.0` or `2.1`; it cannot be changed later. Default: the service's, `2.0`.
    #[must_use]
    pub fn with_protocol_version(mut self, version: impl Into<String>) -> Self {
        self.protocol_version = Some(version.into());
        self
    }
}

/// What to change of an application; what is not given stays.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ApplicationUpdate {
    display_name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    scopes: Option<Vec<String>>,
    required_scopes: Option<Vec<String>>,
    is_multi_tenant: Option<bool>,
    secret_required: Option<bool>,
    access_token_lifetime: Option<u64>,
    refresh_token_lifetime: Option<u64>,
}

impl ApplicationUpdate {
    /// What users read when they are asked for consent.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is blank or has control characters.
    pub fn with_display_name(mut self, display_name: impl Into<String>) -> Result<Self, Error> {
        let name = display_name.into();
        if name.trim().is_empty() || name.chars().any(char::is_control) {
            return Err(Error::invalid("the display name of an application is blank, or has control characters"));
        }
        self.display_name = Some(name);
        Ok(self)
    }

    fn parameters(&self, form: Form, prefix: &str) -> Result<Form, Error> {
        check_required(self.scopes.as_deref(), self.required_scopes.as_deref())?;
        let list = |list: &Option<Vec<String>>| list.as_ref().map(|items| items.join(SEPARATOR));
        let parameter = |name: &str| format!("{prefix}{name}");
        let number = |seconds: Option<u64>| seconds.map(|seconds| seconds.to_string());
        Ok(form
            .text_if(&parameter("DisplayName"), self.display_name.as_deref())
            .text_if(&parameter("RedirectUris"), list(&self.redirect_uris).as_deref())
            .text_if(&parameter("PredefinedScopes"), list(&self.scopes).as_deref())
            .text_if(&parameter("RequiredScopes"), list(&self.required_scopes).as_deref())
            .flag_if(&parameter("IsMultiTenant"), self.is_multi_tenant)
            .flag_if(&parameter("SecretRequired"), self.secret_required)
            .text_if(&parameter("AccessTokenValidity"), number(self.access_token_lifetime).as_deref())
            .text_if(&parameter("RefreshTokenValidity"), number(self.refresh_token_lifetime).as_deref()))
    }
}

/// What can be said when an application is made and when it is changed.
macro_rules! settings {
    ($type:ident $(, $settings:ident)?) => {
        impl $type {
            /// Where a browser may land after the sign-in, the whole list: https, http on this machine, or a scheme of the
            /// application's own.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if one is not such a URL, or has a `;`.
            pub fn with_redirect_uris<S: Into<String>>(
                mut self,
                uris: impl IntoIterator<Item = S>,
            ) -> Result<Self, Error> {
                let uris: Vec<String> = uris.into_iter().map(Into::into).collect();
                uris.iter().try_for_each(|uri| check_redirect_uri(uri))?;
                self$(.$settings)?.redirect_uris = Some(uris);
                Ok(self)
            }

            /// For what it may ask, the whole list. `openid` is always among them.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if one is no scope, or has a `;`.
            pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Result<Self, Error> {
                self$(.$settings)?.scopes = Some(checked_scopes(scopes)?);
                Ok(self)
            }

            /// What users cannot leave out when they consent, the whole list.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if one is no scope, or has a `;`. One that the
            /// application may not ask for is refused when it is sent, where the scopes are given, too: the service would leave
            /// it out without a word.
            pub fn with_required_scopes<S: Into<String>>(
                mut self,
                scopes: impl IntoIterator<Item = S>,
            ) -> Result<Self, Error> {
                self$(.$settings)?.required_scopes = Some(checked_scopes(scopes)?);
                Ok(self)
            }

            /// Whether other accounts may use it. Default of the service: no for a web application, else yes.
            #[must_use]
            pub fn with_multi_tenancy(mut self, enabled: bool) -> Self {
                self$(.$settings)?.is_multi_tenant = Some(enabled);
                self
            }

            /// Whether it must show a secret. Only a native application has the choice; its default is no.
            #[must_use]
            pub fn with_required_secret(mut self, required: bool) -> Self {
                self$(.$settings)?.secret_required = Some(required);
                self
            }

            /// How long an access token lives, 15 minutes to 3 hours, in whole seconds. Default of the service: an hour.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is out of bounds.
            pub fn with_access_token_lifetime(mut self, lifetime: Duration) -> Result<Self, Error> {
                let seconds = checked_lifetime(lifetime, &ACCESS_TOKEN, "an access token")?;
                self$(.$settings)?.access_token_lifetime = Some(seconds);
                Ok(self)
            }

            /// How long a refresh token lives, 2 hours to 365 days, in whole seconds. Default of the service: 90 days for a
            /// web application, else 30.
            ///
            /// # Errors
            /// [`ErrorKind::InvalidRequest`](crate::ErrorKind::InvalidRequest) if it is out of bounds.
            pub fn with_refresh_token_lifetime(mut self, lifetime: Duration) -> Result<Self, Error> {
                let seconds = checked_lifetime(lifetime, &REFRESH_TOKEN, "a refresh token")?;
                self$(.$settings)?.refresh_token_lifetime = Some(seconds);
                Ok(self)
            }
        }
    };
}

settings!(NewApplication, settings);
settings!(ApplicationUpdate);

impl Applications {
    pub(crate) fn new(caller: Caller) -> Self {
        Self { caller }
    }

    /// Makes one: `CreateApplication`. No secret is made; the service makes it when asked to (`CreateAppSecret`).
    ///
    /// # Errors
    /// [`ErrorKind::Conflict`](crate::ErrorKind::Conflict) if the name is taken. If the connection breaks after the request was sent, it is not
    /// tried again, and [`list`](Self::list) tells whether it was made.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been made.
    pub async fn create(&self, new: NewApplication) -> Result<Application, Error> {
        let form = Form::new()
            .text("AppName", &new.name)
            .text("AppType", new.kind.as_str())
            .text_if("ProtocolVersion", new.protocol_version.as_deref());
        let form = new.settings.parameters(form, "")?;
        let call = Call::new(Plane::Ims, "create the application", "CreateApplication", form).once();
        wrapped!(self.caller.send(&call).await?, "Application", Application).and_then(identified)
    }

    /// All of the account: `ListApplications`, which has no pages.
    ///
    /// # Errors
    /// See [`Management`](super::Management).
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn list(&self) -> Result<Vec<Application>, Error> {
        #[derive(Deserialize)]
        struct Listed {
            #[serde(rename = "Application", deserialize_with = "or_default")]
            applications: Vec<Application>,
        }
        let call = Call::new(Plane::Ims, "list the applications", "ListApplications", Form::new());
        let listed = wrapped!(self.caller.send(&call).await?, "Applications", Listed)?;
        listed.applications.into_iter().map(identified).collect()
    }

    /// One by id: `GetApplication`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn get(&self, id: &str) -> Result<Application, Error> {
        let call = Call::new(Plane::Ims, "get the application", "GetApplication", by_id(id)?).if_not_found(NOT_FOUND);
        wrapped!(self.caller.send(&call).await?, "Application", Application).and_then(identified)
    }

    /// Changes one: `UpdateApplication`. Its name, where it runs and its OAuth version stay.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been changed.
    pub async fn update(&self, id: &str, update: ApplicationUpdate) -> Result<(), Error> {
        let form = update.parameters(by_id(id)?, "New")?;
        let call = Call::new(Plane::Ims, "update the application", "UpdateApplication", form).if_not_found(NOT_FOUND);
        self.caller.send(&call).await.map(drop)
    }

    /// Deletes one: `DeleteApplication`. Whoever signed in through it cannot any more.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if there is none. If a first try had no clear outcome and the second finds none, that is a
    /// success.
    ///
    /// # Cancel safety
    /// Dropped midway, it may have been deleted.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        let call =
            Call::new(Plane::Ims, "delete the application", "DeleteApplication", by_id(id)?).if_not_found(NOT_FOUND);
        self.caller.delete(&call).await
    }
}

fn by_id(id: &str) -> Result<Form, Error> {
    check_length(id, "application's id", 1, 64)?;
    if !id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(Error::invalid(
            "the application's id is not one; it is the number that `create` answers, not the name",
        ));
    }
    Ok(Form::new().text("AppId", id))
}

fn check_redirect_uri(text: &str) -> Result<(), Error> {
    let invalid = |problem: &str| Err(Error::invalid(format!("a redirect URI of an application {problem}")));
    let Ok(url) = Url::parse(text) else { return invalid("is not a URL") };
    if text.contains(SEPARATOR) {
        return invalid("has a `;`, with which the service separates them");
    }
    if url.scheme() == "http" && !url.host_str().is_some_and(identity_grammar::is_loopback_host) {
        return invalid("is not https (http only on loopback)");
    }
    if ["javascript", "data", "vbscript", "file", "blob", "about"].contains(&url.scheme()) {
        return invalid("has a scheme to which no browser may be sent");
    }
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return invalid("has user information or a fragment");
    }
    Ok(())
}

fn checked_scopes<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Result<Vec<String>, Error> {
    let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
    let fits = |scope: &String| !scope.is_empty() && scope.bytes().all(|b| b.is_ascii_graphic() && b != b';');
    if scopes.iter().all(fits) {
        return Ok(scopes);
    }
    Err(Error::invalid("a scope of an application is empty, or has a `;`, a space or something else that no scope has"))
}

/// The service leaves such a scope out without a word.
fn check_required(scopes: Option<&[String]>, required: Option<&[String]>) -> Result<(), Error> {
    let (Some(scopes), Some(required)) = (scopes, required) else { return Ok(()) };
    match required.iter().find(|scope| *scope != "openid" && !scopes.contains(scope)) {
        None => Ok(()),
        Some(scope) => {
            Err(Error::invalid(format!("the scope {scope:?} is required, but the application may not ask for it")))
        }
    }
}

fn checked_lifetime(lifetime: Duration, allowed: &RangeInclusive<u64>, what: &str) -> Result<u64, Error> {
    let seconds = lifetime.as_secs();
    if allowed.contains(&seconds) && lifetime.subsec_nanos() == 0 {
        return Ok(seconds);
    }
    let (least, most) = (allowed.start(), allowed.end());
    Err(Error::invalid(format!("{what} of an application lives {least} to {most} whole seconds")))
}

/// Without its id nobody can name it again.
fn identified(application: Application) -> Result<Application, Error> {
    if application.id.is_empty() {
        return Err(Error::protocol("IMS answered with an application that has no id"));
    }
    Ok(application)
}

fn redirect_uris<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Listed {
        #[serde(deserialize_with = "or_default")]
        redirect_uri: Vec<String>,
    }
    or_default(deserializer).map(|listed: Listed| listed.redirect_uri)
}

fn delegated<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ApplicationScope>, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Listed {
        #[serde(deserialize_with = "or_default")]
        predefined_scope: Vec<ApplicationScope>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Delegated {
        #[serde(deserialize_with = "or_default")]
        predefined_scopes: Listed,
    }
    or_default(deserializer).map(|delegated: Delegated| delegated.predefined_scopes.predefined_scope)
}

fn lifetime<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
}
