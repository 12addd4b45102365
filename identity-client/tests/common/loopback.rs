//! A loopback server that answers as it is told and remembers what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use identity_client::{Clock, Moment, RetryPolicy, SystemClock};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// A request, as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names in lower case; a name that came twice has both values, joined by a line end.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Seen {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }
}

pub enum Reply {
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The connection ends without an answer.
    Reset,
    /// The connection ends within the body.
    Truncated,
    /// The answer comes after this long.
    Late(Duration, Box<Reply>),
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(status, &body.to_string())
    }

    pub fn text(status: u16, body: &str) -> Self {
        Self::Answer { status, headers: Vec::new(), body: body.to_owned() }
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Answer { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }

    pub fn late(self, by: Duration) -> Self {
        Self::Late(by, Box::new(self))
    }
}

type Handler = Box<dyn FnMut(&Seen) -> Reply + Send>;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Seen>>>);

pub struct Server {
    origin: String,
    log: Log,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Answers everything with the function, token requests included.
    pub async fn raw(handler: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let log = Log::default();
        let (handler, noted) = (Arc::new(Mutex::new(Box::new(handler) as Handler)), log.clone());
        let task = tokio::spawn(async move {
            // Dropped with the task, and every connection with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&handler), noted.clone()));
            }
        });
        Self { origin, log, task }
    }

    pub fn origin(&self) -> &str {
        &self.origin
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.log.0.lock().unwrap().clone()
    }
}

pub fn quick(attempts: u32) -> RetryPolicy {
    RetryPolicy::new()
        .with_max_attempts(attempts)
        .with_base(Duration::from_millis(1))
        .with_deadline(Duration::from_secs(20))
}

async fn serve(mut stream: TcpStream, handler: Arc<Mutex<Handler>>, log: Log) {
    let mut buffer = Vec::new();
    while let Some(seen) = read(&mut stream, &mut buffer).await {
        log.0.lock().unwrap().push(seen.clone());
        let mut reply = (handler.lock().unwrap())(&seen);
        while let Reply::Late(by, then) = reply {
            tokio::time::sleep(by).await;
            reply = *then;
        }
        let text = match reply {
            Reply::Answer { status, headers, body } => {
                let mut head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.extend([name, ": ", &value, "\r\n"]);
                }
                format!("{head}\r\n{body}")
            }
            Reply::Truncated => "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"apikey\":\"cut".to_owned(),
            Reply::Reset | Reply::Late(..) => return,
        };
        let ended = text.contains("\"cut");
        if stream.write_all(text.as_bytes()).await.is_err() || ended {
            return;
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let mut headers = BTreeMap::<String, String>::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let (name, value) = (name.to_ascii_lowercase(), value.trim());
        headers.entry(name).and_modify(|old| *old = format!("{old}\n{value}")).or_insert_with(|| value.to_owned());
    }
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while buffer.len() < end + 4 + length {
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
    let body = String::from_utf8(buffer[end + 4..end + 4 + length].to_vec()).unwrap();
    buffer.drain(..end + 4 + length);
    let url = url::Url::parse(&format!("http://x{target}")).unwrap();
    let query = url.query_pairs().into_owned().collect();
    Some(Seen { method, path: url.path().to_owned(), query, headers, body })
}

/// A clock that moves only when told to.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Moment>>);

impl ManualClock {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(SystemClock.now())))
    }

    pub fn advance(&self, seconds: u64) {
        let mut now = self.0.lock().unwrap();
        now.wall += Duration::from_secs(seconds);
        now.steady += Duration::from_secs(seconds);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }
}

/// Waits for something that happens in another task, for at most five seconds.
pub async fn eventually(what: impl Fn() -> bool) {
    for _ in 0..500 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not happen");
}
