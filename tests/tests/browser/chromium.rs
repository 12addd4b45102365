//! A headless Chromium, driven over WebDriver.

use std::{fs, panic::AssertUnwindSafe, path::Path, process::Stdio, time::Duration};

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, key::Key, wd::Capabilities};
use futures_util::FutureExt as _;
use hyper_util::client::legacy::connect::HttpConnector;
use identity_tests::Anything;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
    time::{sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(10);
const LONGEST_SCRIPT: Duration = Duration::from_secs(60);
/// More stops than any of our pages has for the Tab key.
const TAB_STOPS: usize = 10;

/// A browser with one window.
pub(super) struct Browser(Client);

/// Runs a script in a browser of its own, which ends with the script, however that ends.
pub(super) async fn browsing<T>(script: impl AsyncFnOnce(&Browser) -> Result<T, Anything>) -> Result<T, Anything> {
    let (mut driver, address) = start_driver().await?;
    let mut builder = ClientBuilder::new(HttpConnector::new());
    let connect = builder.capabilities(capabilities()).connect(&address);
    let browser = Browser(timeout(Duration::from_secs(30), connect).await??);
    let outcome = timeout(LONGEST_SCRIPT, AssertUnwindSafe(script(&browser)).catch_unwind()).await;
    // Chromedriver takes its browser with it only when it is asked to.
    let closed = timeout(PATIENCE, browser.0.close()).await;
    driver.kill().await?;
    match outcome {
        Ok(Ok(done)) => {
            let done = done?;
            closed??;
            Ok(done)
        }
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(_) => Err("the script took too long".into()),
    }
}

async fn start_driver() -> Result<(Child, String), Anything> {
    let mut driver = Command::new("chromedriver")
        .args(["--port=0", "--allowed-ips=127.0.0.1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("chromedriver does not start ({error}); see peers/README.md"))?;
    let mut lines = BufReader::new(driver.stdout.take().ok_or("no standard output")?).lines();
    let port = timeout(PATIENCE, async {
        while let Some(line) = lines.next_line().await? {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                return Ok::<_, Anything>(port.trim_end_matches('.').trim().to_owned());
            }
        }
        Err("chromedriver named no port".into())
    });
    let port = port.await??;
    Ok((driver, format!("http://127.0.0.1:{port}")))
}

fn capabilities() -> Capabilities {
    // Without a sandbox because tests may run as root, where Chromium has none; with a resolver that knows this machine only.
    let options = json!({ "args": [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
        "--disable-background-networking", "--disable-component-update", "--disable-sync", "--window-size=900,700",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"
    ]});
    Capabilities::from_iter([("goog:chromeOptions".to_owned(), options)])
}

impl Browser {
    pub(super) async fn open(&self, url: &str) -> Result<(), Anything> {
        Ok(self.0.goto(url).await?)
    }

    /// The element, when it is there.
    pub(super) async fn find(&self, css: &str) -> Result<Element, Anything> {
        let found =
            self.0.wait().at_most(PATIENCE).every(Duration::from_millis(50)).for_element(Locator::Css(css)).await;
        Ok(found.map_err(|error| format!("no `{css}`: {error}"))?)
    }

    pub(super) async fn fill(&self, css: &str, text: &str) -> Result<(), Anything> {
        Ok(self.find(css).await?.send_keys(text).await?)
    }

    pub(super) async fn click(&self, css: &str) -> Result<(), Anything> {
        Ok(self.find(css).await?.click().await?)
    }

    /// Types into whatever has the focus.
    pub(super) async fn type_keys(&self, text: &str) -> Result<(), Anything> {
        Ok(self.0.active_element().await?.send_keys(text).await?)
    }

    /// Presses Tab until the element has the focus.
    pub(super) async fn tab_to(&self, css: &str) -> Result<(), Anything> {
        for _ in 0..TAB_STOPS {
            let wanted = self.find(css).await?;
            if self.0.active_element().await?.element_id() == wanted.element_id() {
                return Ok(());
            }
            self.type_keys(&Key::Tab.to_string()).await?;
        }
        Err(format!("the Tab key does not lead to `{css}`").into())
    }

    pub(super) async fn press_enter(&self) -> Result<(), Anything> {
        self.type_keys(&Key::Enter.to_string()).await
    }

    /// Goes to the tab that was opened last, or back to the first one.
    pub(super) async fn go_to_tab(&self, newest: bool) -> Result<(), Anything> {
        let first = self.0.window().await?;
        let looking = async {
            loop {
                let mut tabs = self.0.windows().await?;
                let wanted = if newest { tabs.pop().filter(|_| !tabs.is_empty()) } else { tabs.into_iter().next() };
                match wanted {
                    Some(tab) if tab != first => return Ok::<_, Anything>(self.0.switch_to_window(tab).await?),
                    _ => sleep(Duration::from_millis(50)).await,
                }
            }
        };
        timeout(PATIENCE, looking).await.map_err(|_| "there is no other tab")?
    }

    /// Waits until the address begins like this, and says what it is.
    pub(super) async fn arrive(&self, prefix: &str) -> Result<url::Url, Anything> {
        let arriving = async {
            loop {
                let at = self.0.current_url().await?;
                if at.as_str().starts_with(prefix) {
                    return Ok::<_, Anything>(at);
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, arriving).await.map_err(|_| format!("the browser did not come to {prefix}"))?
    }

    /// Waits until the address no longer begins like this: whatever is found from then on is on another page.
    pub(super) async fn leave(&self, prefix: &str) -> Result<(), Anything> {
        let leaving = async {
            while self.0.current_url().await?.as_str().starts_with(prefix) {
                sleep(Duration::from_millis(50)).await;
            }
            Ok::<_, Anything>(())
        };
        timeout(PATIENCE, leaving).await.map_err(|_| format!("the browser did not go on from {prefix}"))?
    }

    /// What the page says.
    pub(super) async fn text(&self) -> Result<String, Anything> {
        Ok(self.find("body").await?.text().await?)
    }

    /// Keeps a picture of the page under the target directory, for people to look at: as a desk and as a phone shows it.
    pub(super) async fn picture(&self, name: &str) -> Result<(), Anything> {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().ok_or("no target directory")?;
        let folder = target.join("screenshots");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join(format!("{name}.png")), self.0.screenshot().await?)?;
        self.0.set_window_size(390, 844).await?;
        fs::write(folder.join(format!("{name}.phone.png")), self.0.screenshot().await?)?;
        Ok(self.0.set_window_size(900, 700).await?)
    }
}
