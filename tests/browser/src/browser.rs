//! A headless Chromium of its own, through chromedriver.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use serde_json::{Value, json};
use thirtyfour::prelude::ElementQueryable as _;
use thirtyfour::{By, ChromiumLikeCapabilities as _, DesiredCapabilities, WebDriver};

/// How long the driver may take to start.
const START: Duration = Duration::from_secs(20);
/// How long a page may take to become what is waited for: shops are read every quarter of a minute.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a page is looked at with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) name: &'static str,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// A browser with a profile of its own; both go when it does.
pub(crate) struct Browser {
    driver: WebDriver,
    process: Child,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one.
    pub(crate) async fn start() -> Result<Self> {
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let process = Command::new("chromedriver")
            .args([format!("--port={port}"), "--silent".to_owned()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("chromedriver is missing: install the packages chromium and chromium-driver")?;
        let profile = tempfile::tempdir()?;
        let mut capabilities = DesiredCapabilities::chrome();
        for flag in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--force-color-profile=srgb",
        ] {
            capabilities.add_arg(flag)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        let driver = connect(port, capabilities).await?;
        let browser = Self { driver, process, _profile: profile };
        // A violation of the policy is a mistake of the page; it is noted from the first byte on.
        let note = "window.violations = []; document.addEventListener('securitypolicyviolation', \
                    (event) => window.violations.push(event.violatedDirective + ' ' + event.blockedURI));";
        browser.tell("Page.addScriptToEvaluateOnNewDocument", json!({ "source": note })).await?;
        Ok(browser)
    }

    async fn tell(&self, command: &str, parameters: Value) -> Result<Value> {
        self.driver.cdp().send_raw(command, parameters).await.with_context(|| format!("{command} failed"))
    }

    /// Takes a size on.
    pub(crate) async fn resize(&self, screen: Screen) -> Result<()> {
        let size = json!({
            "width": screen.width, "height": screen.height, "deviceScaleFactor": 1, "mobile": screen.width < 768
        });
        self.tell("Emulation.setDeviceMetricsOverride", size).await.map(drop)
    }

    /// Opens a page with these cookies and waits until its islands are awake.
    pub(crate) async fn open(&self, address: &str, cookies: &[(&str, &str)]) -> Result<()> {
        for (name, value) in cookies {
            self.tell("Network.setCookie", json!({ "url": address, "name": name, "value": value })).await?;
        }
        self.driver.goto(address).await?;
        let ready = "return !document.querySelector('leptos-island') || 'ready' in document.documentElement.dataset;";
        let began = Instant::now();
        while !self.ask(ready).await?.as_bool().unwrap_or(false) {
            if began.elapsed() > START {
                bail!("the islands of {address} did not wake up");
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Opens a page with these cookies, whatever runs on it.
    pub(crate) async fn goto(&self, address: &str, cookies: &[(&str, &str)]) -> Result<()> {
        for (name, value) in cookies {
            self.tell("Network.setCookie", json!({ "url": address, "name": name, "value": value })).await?;
        }
        Ok(self.driver.goto(address).await?)
    }

    /// Opens the page anew that is open.
    pub(crate) async fn reload(&self) -> Result<()> {
        let here = self.driver.current_url().await?;
        self.open(here.as_str(), &[]).await
    }

    /// Lets pages run scripts, or not.
    pub(crate) async fn set_scripts(&self, run: bool) -> Result<()> {
        self.tell("Emulation.setScriptExecutionDisabled", json!({ "value": !run })).await.map(drop)
    }

    /// Gives it a key of its own that says yes to whatever it is asked, as a fingerprint would.
    pub(crate) async fn add_authenticator(&self) -> Result<()> {
        self.tell("WebAuthn.enable", json!({ "enableUI": false })).await?;
        let options = json!({
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": true, "hasUserVerification": true,
            "isUserVerified": true, "automaticPresenceSimulation": true,
        });
        self.tell("WebAuthn.addVirtualAuthenticator", json!({ "options": options })).await.map(drop)
    }

    /// Presses the first element that fits and that somebody can see, and waits for the page that it leads to. Where pages
    /// run no scripts nothing tells that one is on its way, and what comes next has to wait for it.
    pub(crate) async fn click(&self, selector: &str) -> Result<()> {
        let query = self.driver.query(By::Css(selector)).and_displayed();
        let element = query.first().await.with_context(|| format!("no {selector}"))?;
        element.scroll_into_view().await?;
        element.click().await?;
        let began = Instant::now();
        // Between two pages there is none to ask.
        while self.ask("return 'waiting' in document.documentElement.dataset;").await.ok() != Some(Value::Bool(false)) {
            if began.elapsed() > PATIENCE {
                bail!("{selector} was pressed, and no page came");
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Types into a field, in place of what is there.
    pub(crate) async fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let element = self.driver.query(By::Css(selector)).first().await.with_context(|| format!("no {selector}"))?;
        element.clear().await?;
        Ok(element.send_keys(text).await?)
    }

    /// Chooses a file for a field.
    pub(crate) async fn attach(&self, selector: &str, file: &Path) -> Result<()> {
        let element = self.driver.query(By::Css(selector)).first().await.with_context(|| format!("no {selector}"))?;
        Ok(element.send_keys(file.to_string_lossy()).await?)
    }

    /// Returns whether an element is there.
    pub(crate) async fn shows(&self, selector: &str) -> Result<bool> {
        Ok(!self.driver.find_all(By::Css(selector)).await?.is_empty())
    }

    /// Returns the path of the page that is open.
    pub(crate) async fn path(&self) -> Result<String> {
        Ok(self.driver.current_url().await?.path().to_owned())
    }

    /// Returns the language that the page is in.
    pub(crate) async fn language(&self) -> Result<String> {
        Ok(self.ask("return document.documentElement.lang;").await?.as_str().unwrap_or_default().to_owned())
    }

    /// Returns what the page says.
    pub(crate) async fn text(&self) -> Result<String> {
        Ok(self.ask("return document.body.innerText;").await?.as_str().unwrap_or_default().to_owned())
    }

    /// Asks for pages in these languages, as a header of `Accept-Language` lists them.
    pub(crate) async fn set_languages(&self, languages: &str) -> Result<()> {
        let version = self.tell("Browser.getVersion", json!({})).await?;
        let asked = json!({ "userAgent": version.get("userAgent"), "acceptLanguage": languages });
        self.tell("Emulation.setUserAgentOverride", asked).await.map(drop)
    }

    /// Forgets whoever has used it: cookies, and how it was set up.
    pub(crate) async fn forget(&self) -> Result<()> {
        self.tell("Network.clearBrowserCookies", json!({})).await?;
        self.set_scripts(true).await?;
        self.set_languages("zh-CN,zh").await?;
        self.driver.goto("about:blank").await.map_err(anyhow::Error::from)
    }

    /// Waits until it is at a path.
    pub(crate) async fn arrive(&self, path: &str) -> Result<()> {
        let began = Instant::now();
        loop {
            let here = self.path().await?;
            if here == path {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                bail!("the browser is at {here} instead of {path}, which says: {}", self.text().await?);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Runs a script in the page and returns what it returns.
    pub(crate) async fn ask(&self, script: &str) -> Result<Value> {
        Ok(self.driver.execute(script, Vec::new()).await?.json().clone())
    }

    /// Runs a script in the page and returns what it calls back with.
    pub(crate) async fn ask_later(&self, script: &str) -> Result<Value> {
        Ok(self.driver.execute_async(script, Vec::new()).await?.json().clone())
    }

    /// Waits until colours and places that are on their way have arrived; what turns for ever is not waited for.
    pub(crate) async fn settle(&self) -> Result<()> {
        let finite =
            "document.getAnimations().filter((one) => Number.isFinite(one.effect.getComputedTiming().endTime))";
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             Promise.allSettled({finite}.map((one) => one.finished)).then(() => done(true));"
        );
        self.ask_later(&script).await.map(drop)
    }

    /// Returns a picture of the whole page, as PNG.
    pub(crate) async fn picture(&self) -> Result<Vec<u8>> {
        let answer =
            self.tell("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true })).await?;
        let text = answer.get("data").and_then(Value::as_str).context("Chromium sent no picture")?;
        Ok(base64::engine::general_purpose::STANDARD.decode(text)?)
    }

    /// Ends it.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let ended = self.driver.clone().quit().await;
        self.process.kill()?;
        self.process.wait()?;
        Ok(ended?)
    }
}

/// The driver listens some moments after it was started; there is nothing to wait for but its answer.
async fn connect(port: u16, capabilities: thirtyfour::ChromeCapabilities) -> Result<WebDriver> {
    let began = Instant::now();
    loop {
        match WebDriver::new(format!("http://127.0.0.1:{port}"), capabilities.clone()).await {
            Ok(driver) => return Ok(driver),
            Err(error) if began.elapsed() > START => return Err(error).context("chromedriver does not answer"),
            Err(_starting) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
