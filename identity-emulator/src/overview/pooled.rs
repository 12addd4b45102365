//! The sections of AgentKit: what belongs to pools.

use super::sections::{NEWEST, listed, return_urls};
use super::shown;
use super::table::{Section, cell, code, newest};
use crate::core::Core;
use crate::html::Markup;
use crate::vault::{OAuthProvider, State};

pub(super) fn workloads(vault: &State) -> Markup {
    let section = Section {
        id: "workloads",
        title: "AgentKit: workload identities",
        columns: &["Name", "Pool", "Return URLs", "Created"],
        empty: Markup::new("None yet. Create one with <code>CreateWorkloadIdentity</code>, or act as a role."),
    };
    let (items, total) = newest(vault.pooled.workloads.values(), |item| item.identity.created_at);
    let rows = items.iter().map(|item| {
        vec![
            code(&item.identity.name),
            code(&item.pool),
            return_urls(&item.identity.return_urls),
            shown::moment(item.identity.created_at),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn keys(vault: &State) -> Markup {
    let section = Section {
        id: "pooled-keys",
        title: "AgentKit: API key credential providers",
        columns: &["Name", "Pool", "Created", "Key set"],
        empty: Markup::new("None yet. Create one with <code>CreateApiKeyCredentialProvider</code>."),
    };
    let (items, total) = newest(vault.pooled.keys.values(), |item| item.provider.created_at);
    let rows = items.iter().map(|item| {
        let known = &item.provider;
        vec![code(&known.name), code(&item.pool), shown::moment(known.created_at), shown::moment(known.updated_at)]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn providers(core: &Core, vault: &State) -> Markup {
    let section = Section {
        id: "pooled-oauth2",
        title: "AgentKit: OAuth2 credential providers",
        columns: &["Name", "Pool", "Flow", "Scopes", "Client id", "URLs", "Created"],
        empty: Markup::new("None yet. Create one with <code>CreateOauth2CredentialProvider</code>."),
    };
    let (items, total) = newest(vault.pooled.providers.values(), |item| item.provider.created_at);
    let rows = items.iter().map(|item| {
        vec![
            code(&item.provider.name),
            code(&item.pool),
            cell(item.flow.as_deref().unwrap_or("as asked")),
            code(shown::line(&item.scopes.join(" "))),
            code(shown::line(&item.provider.client_id)),
            endpoints(core, &item.provider),
            shown::moment(item.provider.created_at),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

/// Where a provider's client is registered.
pub(super) fn endpoints(core: &Core, provider: &OAuthProvider) -> Markup {
    core.registration(provider).map_or_else(Markup::default, |known| {
        listed(&[
            ("consent", shown::url(known.authorization_url.as_str())),
            ("tokens", shown::url(known.token_url.as_str())),
        ])
    })
}

pub(super) fn user_pools(vault: &State) -> Markup {
    let section = Section {
        id: "user-pools",
        title: "AgentKit: user pools",
        columns: &["Name", "Id", "Clients", "Created"],
        empty: Markup::new("None yet. Create one with <code>CreateUserPool</code>."),
    };
    let (items, total) = newest(vault.pooled.user_pools.values(), |item| item.created_at);
    let rows = items.iter().map(|item| {
        let clients = vault.pooled.clients.values().filter(|client| client.pool == item.id);
        let names: Vec<String> = clients.map(|client| shown::line(&client.name)).collect();
        vec![code(&item.name), code(&item.id), cell(shown::line(&names.join(", "))), shown::moment(item.created_at)]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}
