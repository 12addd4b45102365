//! An agent that asks a weather service with the company's API key, which its author never sees: `cargo run --example weather`.
//!
//! With `AGENT_IDENTITY_WORKLOAD_IDENTITY_NAME` and `ALIBABA_CLOUD_ACCESS_KEY_ID` and `_SECRET` set, the same handler runs against the
//! platform, where the API key provider `weather-key` must exist, and asks a service of yours: `-- --api https://weather.example.com`.
#![expect(clippy::print_stdout, reason = "an example tells its story")]

mod local_api;

use std::time::Duration;

use identity_client::{ApiKey, Error, requires_api_key};
use identity_examples::{AgentIdentityGround, Failure, ROLE, argument, arguments, bounded, without_redirects};
use reqwest::{StatusCode, header::HeaderValue};
use serde::Deserialize;
use url::Url;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

struct WeatherApi {
    http: reqwest::Client,
    origin: Url,
}

#[derive(Deserialize)]
struct Weather {
    celsius: i32,
    sky: String,
}

impl WeatherApi {
    fn of(&self, city: &str) -> Result<reqwest::RequestBuilder, AnyError> {
        let mut url = self.origin.join("/v1/weather")?;
        url.query_pairs_mut().append_pair("city", city);
        Ok(self.http.get(url).timeout(Duration::from_secs(30)))
    }
}

/// The handler. Where the key is kept is decided where the client is built.
#[requires_api_key(provider_name = "weather-key")]
async fn weather(api: &WeatherApi, city: &str, api_key: ApiKey) -> Result<String, AnyError> {
    let mut key = HeaderValue::try_from(api_key.expose_secret())?;
    key.set_sensitive(true);
    let answer = api.of(city)?.header("x-api-key", key).send().await?;
    match answer.status() {
        // The next call gets the key that the provider has then.
        StatusCode::UNAUTHORIZED => return Err(Error::credential_rejected(&api_key).into()),
        StatusCode::OK => {}
        status => return Err(format!("the weather service answers {status}").into()),
    }
    let weather: Weather = serde_json::from_slice(&bounded(answer, 64 * 1024).await?)?;
    // What others wrote is shown escaped: it must not steer a terminal.
    Ok(format!("{} °C and {}", weather.celsius, weather.sky.escape_debug()))
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    arguments(include_str!("main.rs"), &["--api URL"])?;
    let ground = AgentIdentityGround::find().await?;
    ground.install()?;
    let origin = match &ground.emulator {
        Some(_) => {
            let key = local_api::new_key()?;
            ground.register_api_key("weather-key", &key).await?;
            println!("1. no AGENT_IDENTITY_* variables, so an emulator runs in this process");
            local_api::start(key).await?
        }
        None => argument("--api").ok_or("say which weather service to ask: `-- --api https://…`")?,
    };
    let api = WeatherApi { http: without_redirects()?, origin: origin.parse()? };
    println!("   the weather service answers {} to a call without a key", api.of("Beijing")?.send().await?.status());
    println!("2. the agent knows that in Beijing it has {}", weather(&api, "Beijing").await?);
    println!("3. and in Hangzhou {}", weather(&api, "Hangzhou").await?);
    if let Some(emulator) = &ground.emulator {
        let asked = emulator.counters().count("get_resource_api_key");
        println!("   Agent Identity was asked for {asked} key, by the role `{ROLE}`");
    }
    Ok(())
}
