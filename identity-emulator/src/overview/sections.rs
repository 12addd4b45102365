//! The sections of the page.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::shown;
use super::table::{MOST, Section, cell, code, newest};
use crate::agentbase::callback_url;
use crate::audit::AuditOutcome;
use crate::core::Core;
use crate::html::Markup;
use crate::operation::TOKEN_PATH;
use crate::user::person;
use crate::vault::{Asks, Session, SessionStatus, State};

pub(super) const NEWEST: &str = "newest first";

/// Where clients go, and as whom.
pub(super) fn endpoints(core: &Core) -> Markup {
    let built_in = &core.built_in;
    let token_url = format!("{}{TOKEN_PATH}", core.origin);
    let mut list = Markup::new("<section>\n<h2>Endpoints</h2>\n<dl>\n");
    for (term, value) in [
        ("Service account", core.iam.account.id.as_str()),
        ("Identity API", &core.identity_url()),
        ("IAM tokens", &token_url),
        ("AgentKit: endpoint", core.origin.as_str()),
        ("AgentKit: access key", core.agentkit.access.account.id.as_str()),
        ("IDaaS: issuer", core.idaas.issuer.as_str()),
        ("IDaaS: developer API", core.origin.as_str()),
        ("IDaaS: client id", core.idaas.client.0.as_str()),
        ("Agent Identity: endpoint", core.origin.as_str()),
        ("Agent Identity: access key", core.agent_identity.access.account.id.as_str()),
        ("Imitation of Feishu: client id", core.feishu_client.client_id.as_str()),
        ("Imitation of Feishu: consent", core.feishu_client.authorization_url.as_str()),
        ("Built-in provider: client id", &built_in.client_id),
        ("Built-in provider: consent", built_in.authorization_url.as_str()),
        ("Built-in provider: tokens", built_in.token_url.as_str()),
    ] {
        list = list.raw("<dt>").raw(term).raw("</dt><dd>").join(&code(shown::line(value))).raw("</dd>\n");
    }
    list.raw("</dl>\n</section>\n")
}

pub(super) fn identities(vault: &State) -> Markup {
    let section = Section {
        id: "identities",
        title: "Agent identities",
        columns: &["Name", "Description", "Return URLs", "Created"],
        empty: Markup::new(
            "None yet. Create one with <code>POST /identity/api/v1/agent-identities</code>, or name one in a seed file.",
        ),
    };
    let (items, total) = newest(vault.identities.values(), |item| item.created_at);
    let row = |item: &&std::sync::Arc<crate::vault::Identity>| {
        vec![
            code(&item.name),
            optional(item.description.as_deref()),
            return_urls(&item.return_urls),
            shown::moment(item.created_at),
        ]
    };
    section.render(NEWEST, &items.iter().map(row).collect::<Vec<_>>(), total)
}

pub(super) fn return_urls(urls: &[String]) -> Markup {
    if urls.is_empty() {
        return cell("none: no user can be asked for consent");
    }
    let item = |list: Markup, url: &String| list.raw("<li>").join(&code(shown::url(url))).raw("</li>");
    urls.iter().fold(Markup::new("<ul>"), item).raw("</ul>")
}

pub(super) fn key_providers(vault: &State) -> Markup {
    let section = Section {
        id: "api-keys",
        title: "API key providers",
        columns: &["Name", "Status", "Created", "Key set"],
        empty: Markup::new(
            "None yet. Create one with <code>POST /identity/api/v1/outbound-auth/api-key-providers</code>.",
        ),
    };
    let (items, total) = newest(vault.key_providers.values(), |item| item.created_at);
    let rows = items.iter().map(|item| {
        vec![code(&item.name), cell("ACTIVE"), shown::moment(item.created_at), shown::moment(item.updated_at)]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn user_key_providers(vault: &State) -> Markup {
    let section = Section {
        id: "delegated-keys",
        title: "Delegated API key providers",
        columns: &["Name", "Status", "Keys entered", "Created"],
        empty: Markup::new(
            "None yet. Create one with <code>POST /identity/api/v1/outbound-auth/delegated-api-key-providers</code>.",
        ),
    };
    let (items, total) = newest(vault.user_key_providers.values(), |item| item.created_at);
    let rows = items.iter().map(|item| {
        let keys = vault.user_keys.keys().filter(|grant| grant.provider_id == item.id).count();
        vec![code(&item.name), cell("ACTIVE"), cell(keys), shown::moment(item.created_at)]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn oauth_providers(core: &Core, vault: &State) -> Markup {
    let section = Section {
        id: "oauth2",
        title: "OAuth2 providers",
        columns: &["Name", "Status", "Client id", "URLs", "Created"],
        empty: Markup::new(
            "None yet. Create one with <code>POST /identity/api/v1/outbound-auth/oauth2-providers</code>; the built-in provider’s URLs are above.",
        ),
    };
    let (items, total) = newest(vault.oauth_providers.values(), |item| item.created_at);
    let rows = items.iter().map(|item| {
        let registration = core.registration(item);
        let (client_id, authorization_url, token_url) = registration.as_ref().map_or(("", "", ""), |known| {
            (known.client_id.as_str(), known.authorization_url.as_str(), known.token_url.as_str())
        });
        vec![
            code(&item.name),
            cell("ACTIVE"),
            code(shown::line(client_id)),
            listed(&[
                ("consent", shown::url(authorization_url)),
                ("tokens", shown::url(token_url)),
                ("callback", callback_url(core, &item.id)),
            ]),
            shown::moment(item.created_at),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn listed(urls: &[(&'static str, String)]) -> Markup {
    let item = |list: Markup, (what, url): &(&'static str, String)| {
        list.raw("<li>").raw(what).raw(": ").join(&code(url)).raw("</li>")
    };
    urls.iter().fold(Markup::new("<ul>"), item).raw("</ul>")
}

pub(super) fn sessions(vault: &State, now: Timestamp) -> Markup {
    let section = Section {
        id: "sessions",
        title: "Sessions",
        columns: &["Opened", "Agent", "Provider", "User", "Asks for", "Status"],
        empty: Markup::new(
            "None yet. One is opened when an agent asks for a user’s API key or token and the user has to act first.",
        ),
    };
    let names = provider_names(vault);
    let (items, total) = newest(vault.sessions.values(), |item| item.created_at);
    let rows = items.iter().map(|item| {
        vec![
            Markup::new("<span class=\"age\">").text(shown::age(item.created_at, now)).raw(" ago</span>"),
            code(shown::line(&item.grant.identity)),
            code(shown::line(named(&names, &item.grant.provider_id))),
            cell(shown::line(person(&item.grant.user))),
            cell(match item.asks {
                Asks::Key => "API key",
                Asks::Consent { .. } => "consent",
            }),
            cell(status(item, now)),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

fn status(session: &Session, now: Timestamp) -> &'static str {
    match (session.status, session.status_at(now)) {
        (SessionStatus::Open, SessionStatus::Failed) => "expired",
        (_, SessionStatus::Open) => "waits for the person",
        (_, SessionStatus::Completed) => "completed",
        (_, SessionStatus::Failed) => "failed",
    }
}

pub(super) fn audit(core: &Core, vault: &State) -> Markup {
    let section = Section {
        id: "audit",
        title: "Audit trail",
        columns: &["Time", "Outcome", "Operation", "Agent", "Provider", "User"],
        empty: Markup::new("Nothing yet. A line is added whenever an agent asks for a credential or a person decides."),
    };
    let names = provider_names(vault);
    let entries = core.audit.entries();
    let rows = entries.iter().rev().take(MOST).map(|entry| {
        vec![
            shown::moment(entry.at),
            cell(outcome(entry.outcome)),
            code(entry.operation),
            code(shown::line(&entry.identity)),
            code(shown::line(named(&names, &entry.provider))),
            optional(entry.user.as_deref()),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), entries.len())
}

fn outcome(outcome: AuditOutcome) -> &'static str {
    match outcome {
        AuditOutcome::Released => "credential handed out",
        AuditOutcome::ConsentAsked => "person asked",
        AuditOutcome::Pending => "person has not acted yet",
        AuditOutcome::Granted => "person agreed",
        AuditOutcome::Denied => "refused",
        AuditOutcome::Failed => "failed",
    }
}

/// Every operation is a name of ours: the table is bounded by itself.
pub(super) fn requests(core: &Core) -> Markup {
    let section = Section {
        id: "requests",
        title: "Requests by operation",
        columns: &["Operation", "Count"],
        empty: Markup::new("None yet. Point a client at the identity API above."),
    };
    let counts = core.counters.all();
    let rows: Vec<_> = counts.iter().map(|(operation, count)| vec![code(operation), cell(count)]).collect();
    section.render("by name", &rows, counts.len())
}

fn optional(text: Option<&str>) -> Markup {
    cell(text.filter(|text| !text.is_empty()).map_or_else(|| "–".to_owned(), shown::line))
}

/// Names by id: browsers name a provider by its id, people do not.
fn provider_names(vault: &State) -> BTreeMap<&str, &str> {
    let keys = vault.user_key_providers.values().map(|item| (item.id.as_str(), item.name.as_str()));
    let oauth = vault.oauth_providers.values().map(|item| (item.id.as_str(), item.name.as_str()));
    let pooled = vault.pooled.providers.values().map(|item| (item.provider.id.as_str(), item.provider.name.as_str()));
    let vaulted = vault.vaulted.providers.values().map(|item| (item.provider.id.as_str(), item.provider.name.as_str()));
    keys.chain(oauth).chain(pooled).chain(vaulted).collect()
}

fn named<'a>(names: &BTreeMap<&str, &'a str>, provider: &'a str) -> &'a str {
    names.get(provider).copied().unwrap_or(provider)
}
