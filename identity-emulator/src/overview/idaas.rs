//! The sections of IDaaS.

use super::sections::NEWEST;
use super::shown;
use super::table::{Section, cell, code, newest};
use crate::html::Markup;
use crate::vault::{Application, State, Trust};

pub(super) fn applications(vault: &State) -> Markup {
    let section = Section {
        id: "idaas-applications",
        title: "IDaaS: applications",
        columns: &["Client id", "Proves itself with", "Audiences", "Created"],
        empty: Markup::new("None yet. Name one in a seed file."),
    };
    let (items, total) = newest(vault.idaas.applications.values(), |item| item.created_at);
    let rows = items.iter().map(|item| {
        let audiences: Vec<&str> = item.permissions.keys().map(String::as_str).collect();
        vec![
            code(&item.id),
            cell(shown::line(&methods(item))),
            code(shown::line(&audiences.join(" "))),
            shown::moment(item.created_at),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

fn methods(application: &Application) -> String {
    let mut methods = Vec::new();
    if !application.secrets.is_empty() {
        methods.push("a secret".to_owned());
    }
    if !application.public_keys.is_empty() {
        methods.push("a key".to_owned());
    }
    for credential in &application.federated {
        let kind = match credential.trust {
            Trust::Oidc { .. } => "a token",
            Trust::Certificates { .. } => "a certificate",
            Trust::Attested { .. } => "a document",
        };
        methods.push(format!("{kind} as {}", credential.name));
    }
    methods.join(", ")
}

pub(super) fn keys(vault: &State) -> Markup {
    let section = Section {
        id: "idaas-keys",
        title: "IDaaS: hosted API keys",
        columns: &["Identifier", "For", "Created"],
        empty: Markup::new("None yet. Name one in a seed file."),
    };
    let (items, total) = newest(vault.idaas.keys.values(), |item| item.provider.created_at);
    let rows = items.iter().map(|item| {
        let user = item.exclusive_user.as_deref().unwrap_or("everybody");
        vec![code(shown::line(&item.provider.name)), cell(shown::line(user)), shown::moment(item.provider.created_at)]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}

pub(super) fn providers(vault: &State) -> Markup {
    let section = Section {
        id: "idaas-providers",
        title: "IDaaS: providers of third parties’ tokens",
        columns: &["Identifier", "Flow", "Scopes", "Created"],
        empty: Markup::new("None yet. Name one in a seed file."),
    };
    let (items, total) = newest(vault.idaas.providers.values(), |item| item.provider.created_at);
    let rows = items.iter().map(|item| {
        vec![
            code(shown::line(&item.provider.name)),
            cell(if item.machine { "m2m" } else { "user_federation" }),
            code(shown::line(&item.scopes.join(" "))),
            shown::moment(item.provider.created_at),
        ]
    });
    section.render(NEWEST, &rows.collect::<Vec<_>>(), total)
}
