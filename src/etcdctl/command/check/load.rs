//! Puts from many clients at once, and how long they took.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Mutex, mpsc};
use wire::etcdserverpb as pb;

use crate::client::{self, Client, Retry};
use crate::exit::Exit;

/// Bytes of a varint of 64 bits, which is what differs between keys.
const RANDOM_BYTES: usize = 10;

/// What the puts are like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// What keys begin with.
    pub prefix: Vec<u8>,
    /// Bytes of a key without the prefix.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
}

impl Shape {
    /// A put of a random key.
    pub fn put(&self) -> Result<pb::PutRequest, Exit> {
        let mut key = self.prefix.clone();
        let start = key.len();
        key.resize(start + self.key_bytes, 0);
        getrandom::fill(&mut key[start..start + RANDOM_BYTES])
            .map_err(|error| Exit::error(format!("no randomness: {error}")))?;
        Ok(pb::PutRequest {
            key: key.into(),
            value: vec![0; self.value_bytes].into(),
            ..Default::default()
        })
    }
}

/// How one put went.
struct Answer {
    error: Option<String>,
    seconds: f64,
}

/// Workers, one a client, that take puts from a queue.
pub struct Workers {
    queue: mpsc::Sender<pb::PutRequest>,
    answers: mpsc::UnboundedReceiver<Answer>,
    started: Instant,
}

impl Workers {
    /// Starts a worker for each client; the queue holds one put for each.
    pub fn start(clients: &[Arc<Client>]) -> Self {
        let (queue, puts) = mpsc::channel::<pb::PutRequest>(clients.len());
        let puts = Arc::new(Mutex::new(puts));
        let (done, answers) = mpsc::unbounded_channel();
        for client in clients {
            let (client, puts, done) = (client.clone(), puts.clone(), done.clone());
            tokio::spawn(async move {
                loop {
                    let put = puts.lock().await.recv().await;
                    let Some(put) = put else { return };
                    if done.send(send(&client, put).await).is_err() {
                        return;
                    }
                }
            });
        }
        Self {
            queue,
            answers,
            started: Instant::now(),
        }
    }

    /// Gives a put to the workers; waits while they are all busy.
    pub async fn give(&self, put: pb::PutRequest) {
        // The workers live as long as the queue does.
        let _ = self.queue.send(put).await;
    }

    /// How many answers have come since the last call.
    pub fn drain(&mut self, stats: &mut Stats) {
        while let Ok(answer) = self.answers.try_recv() {
            stats.add(answer);
        }
    }

    /// Waits for the answers that are missing, and closes the account.
    pub async fn finish(mut self, mut stats: Stats) -> Stats {
        drop(self.queue);
        while let Some(answer) = self.answers.recv().await {
            stats.add(answer);
        }
        stats.total = self.started.elapsed();
        stats
    }
}

async fn send(client: &Client, put: pb::PutRequest) -> Answer {
    let started = Instant::now();
    let options = client.options(Retry::Once, None);
    let answer: Result<pb::PutResponse, _> =
        client::unary(client.any(), "/etcdserverpb.KV/Put", put, &options).await;
    Answer {
        error: answer.err().map(|error| error.to_string()),
        seconds: started.elapsed().as_secs_f64(),
    }
}

/// An account of many puts, as `pkg/report` of the reference keeps it.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// How long each put that succeeded took, in seconds.
    latencies: Vec<f64>,
    /// How often each error came.
    pub errors: BTreeMap<String, usize>,
    /// From the first put to the last answer.
    pub total: Duration,
}

impl Stats {
    fn add(&mut self, answer: Answer) {
        match answer.error {
            None => self.latencies.push(answer.seconds),
            Some(error) => *self.errors.entry(error).or_default() += 1,
        }
    }

    /// Answers so far, good and bad.
    pub fn count(&self) -> usize {
        self.latencies.len() + self.errors.values().sum::<usize>()
    }

    /// Successful puts a second.
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.total.as_secs_f64()
    }

    /// Seconds of the slowest; 0 without any.
    pub fn slowest(&self) -> f64 {
        self.latencies.iter().copied().fold(0.0, f64::max)
    }

    /// Standard deviation in seconds; 0 without any.
    pub fn deviation(&self) -> f64 {
        let count = self.latencies.len().max(1) as f64;
        let average = self.latencies.iter().sum::<f64>() / count;
        let squares = self.latencies.iter().map(|l| (l - average).powi(2));
        (squares.sum::<f64>() / count).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, Shape, Stats};
    use std::time::Duration;

    #[test]
    fn an_account() {
        let mut stats = Stats::default();
        for seconds in [0.1, 0.3] {
            stats.add(Answer {
                error: None,
                seconds,
            });
        }
        stats.add(Answer {
            error: Some("x".into()),
            seconds: 9.0,
        });
        stats.total = Duration::from_secs(2);
        assert_eq!(stats.count(), 3);
        assert_eq!(stats.per_second(), 1.0);
        assert_eq!(stats.slowest(), 0.3);
        assert!((stats.deviation() - 0.1).abs() < 1e-9);
        assert_eq!(Stats::default().deviation(), 0.0);
    }

    #[test]
    fn keys_differ_and_have_their_length() {
        let shape = Shape {
            prefix: b"/p/".to_vec(),
            key_bytes: 256,
            value_bytes: 1024,
        };
        let (a, b) = (shape.put().unwrap(), shape.put().unwrap());
        assert_eq!((a.key.len(), a.value.len()), (259, 1024));
        assert_ne!(a.key, b.key);
    }
}
