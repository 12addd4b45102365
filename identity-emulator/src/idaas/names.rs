//! Which operation of the developer API a request is, by the names of its generated client.

const ACTIONS: [(&str, &str); 9] = [
    ("fetchOAuthAccessToken", "fetch_oauth_authentication_token"),
    ("generateJwt", "generate_jwt_authentication_token"),
    ("obtainJwt", "obtain_jwt_authentication_token"),
    ("obtainJwtByDerivedShortToken", "obtain_jwt_authentication_token_by_derived_short_token"),
    ("validate", "validate_authentication_token"),
    ("revoke", "revoke_authentication_token"),
    ("reinstate", "reinstate_authentication_token"),
    ("revokeByConsumer", "revoke_authentication_token_by_consumer"),
    ("reinstateByConsumer", "reinstate_authentication_token_by_consumer"),
];

/// Of what follows the instance in the path; or `"unknown"`.
pub(crate) fn operation(method: &str, segments: &[&str]) -> &'static str {
    match (method, segments) {
        ("GET", ["credentials", "_", "actions", "obtain"]) => "obtain_credential",
        ("GET", ["authenticationTokens"]) => "list_authentication_tokens",
        ("POST", ["oauthAuthorizationSessions", "_", "actions", "get"]) => "get_oauth_authorization_session",
        ("POST", ["authenticationTokens", "_", "actions", action]) => {
            ACTIONS.iter().find(|(known, _)| known == action).map_or("unknown", |(_, name)| name)
        }
        _ => "unknown",
    }
}
