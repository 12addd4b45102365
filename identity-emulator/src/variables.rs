//! What a client reads from its configuration to find a running emulator: the platforms' own names.

use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::handles::{AgentBaseHandle, AgentIdentityHandle, AgentKitHandle, IdaasHandle};

type Variable = (&'static str, String);

impl AgentBaseHandle {
    /// The environment variables with which a client finds the platform, secrets included. What is missing is the agent's own name,
    /// `GREENNODE_AGENT_IDENTITY`.
    pub fn variables(&self) -> Vec<Variable> {
        vec![
            ("GREENNODE_CLIENT_ID", self.client_id.clone()),
            ("GREENNODE_CLIENT_SECRET", self.client_secret.expose_secret().to_owned()),
            ("GREENNODE_IDENTITY_ENDPOINT", self.identity_url.clone()),
            ("GREENNODE_IAM_TOKEN_ENDPOINT", self.token_url.clone()),
        ]
    }
}

impl AgentKitHandle {
    /// The environment variables with which a client finds the platform, secrets included, those of the vendor's own package among them.
    /// What is missing is the agent's own name, `VEIDENTITY_WORKLOAD_NAME`.
    pub fn variables(&self) -> Vec<Variable> {
        vec![
            ("VOLCENGINE_ACCESS_KEY", self.access_key.clone()),
            ("VOLCENGINE_SECRET_KEY", self.secret_key.expose_secret().to_owned()),
            ("RUNTIME_IAM_ROLE_TRN", self.role_trn.clone()),
            ("VEIDENTITY_REGION", self.region().to_owned()),
            ("VEIDENTITY_ENDPOINT", self.endpoint.clone()),
            ("VEIDENTITY_CALLBACK_URL", self.callback_url.clone()),
            ("IDENTITY_OPENAPI_HOST", self.endpoint.trim_start_matches("http://").to_owned()),
            ("IDENTITY_OPENAPI_SCHEME", "http".to_owned()),
        ]
    }
}

impl AgentIdentityHandle {
    /// The environment variables with which a client finds the platform, secrets included. What is missing is the agent's own name,
    /// `AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME`.
    pub fn variables(&self) -> Vec<Variable> {
        vec![
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", self.access_key_id.clone()),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", self.access_key_secret.expose_secret().to_owned()),
            ("AGENT_IDENTITY_REGION_ID", self.region().to_owned()),
            ("AGENT_IDENTITY_ENDPOINT", self.endpoint.clone()),
            ("AGENT_IDENTITY_DATA_ENDPOINT", self.endpoint.clone()),
            ("ALIBABA_CLOUD_RAM_ENDPOINT", self.endpoint.clone()),
            ("ALIBABA_CLOUD_IMS_ENDPOINT", self.endpoint.clone()),
        ]
    }
}

impl IdaasHandle {
    /// The environment variable that [`client_config`](Self::client_config) names, with the application's secret.
    pub fn variables(&self) -> Vec<Variable> {
        vec![(SECRET, self.client_secret.expose_secret().to_owned())]
    }

    /// The JSON file of the vendor's SDKs with which the application finds the platform; a client is told where it lies in
    /// `CLOUD_IDAAS_CONFIG_PATH`. It holds no secret.
    pub fn client_config(&self) -> String {
        let config = json!({
            "idaasInstanceId": self.instance_id,
            "clientId": self.client_id,
            "issuer": self.issuer,
            "tokenEndpoint": self.token_endpoint(),
            "developerApiEndpoint": self.developer_api_endpoint,
            "openApiEndpoint": self.open_api_endpoint,
            "authnConfiguration": {
                "identityType": "CLIENT",
                "authnMethod": "CLIENT_SECRET_BASIC",
                "clientSecretEnvVarName": SECRET,
            },
        });
        format!("{config:#}\n")
    }
}

const SECRET: &str = "IDAAS_CLIENT_SECRET";
