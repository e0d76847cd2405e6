//! Headless Chromium over the `WebDriver` protocol, which is plain HTTP with JSON.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

/// How long the browser may take for one answer: it starts on a machine that may be busy.
const ANSWER_MAX: Duration = Duration::from_mins(5);

/// For which screen pages are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Screen {
    Phone,
    Desk,
}

impl Screen {
    pub(super) const BOTH: [Self; 2] = [Self::Phone, Self::Desk];

    /// Width and height.
    const fn px(self) -> (u32, u32) {
        match self {
            Self::Phone => (390, 844),
            Self::Desk => (1280, 900),
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Phone => "phone",
            Self::Desk => "desk",
        }
    }
}

/// The driver's process; it ends with this.
pub(super) struct Driver {
    process: Child,
    port: u16,
}

/// One browser window.
pub(super) struct Window<'d> {
    driver: &'d Driver,
    path: String,
    _profile: tempfile::TempDir,
}

impl Driver {
    /// Starts it, if it is installed. Without it the test says so, and fails in CI.
    pub(super) fn start() -> Option<Self> {
        let mut command = Command::new("chromedriver");
        command
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let Ok(mut process) = command.spawn() else {
            let says = "chromedriver is missing; hint: apt-get install chromium chromium-driver";
            assert!(std::env::var_os("CI").is_none(), "{says}");
            // Past the capture of a test that passes.
            writeln!(std::io::stderr(), "SKIPPED: {says}").unwrap();
            return None;
        };
        let told = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = told
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("started successfully on port ")?;
                rest.trim_end_matches('.').parse().ok()
            })
            .expect("the driver says its port");
        Some(Self { process, port })
    }

    /// Opens a window of this size.
    pub(super) fn window(&self, screen: Screen) -> Window<'_> {
        let (width, height) = screen.px();
        let profile = tempfile::tempdir().unwrap();
        // As root there is no sandbox, and nothing is to be asked of the network.
        let mut args = vec![
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--disable-quic".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--hide-scrollbars".to_owned(),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let mut options = json!({});
        if screen == Screen::Phone {
            options["mobileEmulation"] =
                json!({ "deviceMetrics": { "width": width, "height": height, "pixelRatio": 1.5 } });
        } else {
            args.push(format!("--window-size={width},{height}"));
        }
        options["args"] = json!(args);
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": options,
        } } });
        let session = self.ask("POST", "/session", &wanted);
        let id = session["sessionId"].as_str().expect("a session has an id");
        Window {
            driver: self,
            path: format!("/session/{id}"),
            _profile: profile,
        }
    }

    /// One question, and the value of its answer.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = None;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(text) = line.strip_prefix("content-length:") {
                length = text.trim().parse::<usize>().ok();
            }
        }
        let mut answer = vec![0; length.expect("an answer says its length")];
        reader.read_exact(&mut answer).unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let value = &answer["value"];
        assert!(value["error"].is_null(), "{method} {path}: {value}");
        value.clone()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Window<'_> {
    fn post(&self, path: &str, body: &Value) -> Value {
        self.driver
            .ask("POST", &format!("{}{path}", self.path), body)
    }

    /// Opens a file.
    pub(super) fn open(&self, page: &Path) {
        self.post(
            "/url",
            &json!({ "url": format!("file://{}", page.display()) }),
        );
    }

    /// Runs a function body in the page; what it returns.
    pub(super) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// What the page or its policy complained of since the last call.
    pub(super) fn complaints(&self) -> Vec<String> {
        let found = self.post("/se/log", &json!({ "type": "browser" }));
        let lines = found.as_array().into_iter().flatten();
        lines
            .map(|line| format!("{} {}", line["level"], line["message"]))
            .collect()
    }

    /// The whole page as a PNG file.
    pub(super) fn picture(&self, to: &Path) {
        let asked = json!({
            "cmd": "Page.captureScreenshot",
            "params": { "format": "png", "captureBeyondViewport": true },
        });
        let found = self.post("/goog/cdp/execute", &asked);
        let bytes = base64::engine::general_purpose::STANDARD
            .decode(found["data"].as_str().unwrap())
            .unwrap();
        std::fs::write(to, bytes).unwrap();
    }
}

impl Drop for Window<'_> {
    fn drop(&mut self) {
        self.driver.ask("DELETE", &self.path, &Value::Null);
    }
}
