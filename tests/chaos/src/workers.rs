//! Worker processes as an operator runs them: whoever ends is started again.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use kamiflow_test_support::fleet::{self, WORK};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::timeline::Timeline;

/// How long a process that ended by itself stays away, as under any supervisor.
const BACK_AFTER: Duration = Duration::from_millis(500);
/// Blows that wait for one worker at most; more are not drawn for one moment.
const WAITING: usize = 1_024;

/// What a worker process is.
pub(crate) struct Shape {
    pub(crate) program: PathBuf,
    pub(crate) variables: BTreeMap<&'static str, String>,
    /// Where they complain.
    pub(crate) log: PathBuf,
}

/// What may befall a worker; the sender is told when it is over.
enum Blow {
    Kill(Duration, oneshot::Sender<()>),
    Stop(Duration, oneshot::Sender<()>),
}

/// The workers of a phase, killed with their handle.
pub(crate) struct Workers {
    blows: Vec<mpsc::Sender<Blow>>,
    supervisors: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts so many.
    pub(crate) fn start(count: usize, shape: Shape, timeline: &Arc<Timeline>) -> Result<Self> {
        let shape = Arc::new(shape);
        let (mut blows, mut supervisors) = (Vec::new(), Vec::new());
        for number in 0..count {
            let child = shape.spawn()?;
            let (blow, felt) = mpsc::channel(WAITING);
            blows.push(blow);
            let supervisor =
                Supervisor { number, shape: Arc::clone(&shape), timeline: Arc::clone(timeline), blows: felt };
            supervisors.push(tokio::spawn(supervisor.run(child)));
        }
        Ok(Self { blows, supervisors })
    }

    /// Kills one, which is started again after a while; returns when it has been.
    pub(crate) async fn kill(&self, worker: usize, down: Duration) -> Result<()> {
        self.strike(worker, |over| Blow::Kill(down, over)).await
    }

    /// Stops one for a while; returns when it goes on.
    pub(crate) async fn pause(&self, worker: usize, time: Duration) -> Result<()> {
        self.strike(worker, |over| Blow::Stop(time, over)).await
    }

    async fn strike(&self, worker: usize, blow: impl FnOnce(oneshot::Sender<()>) -> Blow) -> Result<()> {
        let (over, ended) = oneshot::channel();
        let worker = self.blows.get(worker).context("no such worker")?;
        worker.send(blow(over)).await.ok().context("the worker's supervisor is gone")?;
        ended.await.context("the worker could not be started again")
    }

    /// Ends them; nobody is asked to finish anything.
    pub(crate) async fn end(mut self) {
        self.blows.clear();
        for supervisor in self.supervisors.drain(..) {
            // It ends because nobody can strike any more.
            let _ended = supervisor.await;
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // A supervisor that is aborted drops its child, which kills it.
        for supervisor in &self.supervisors {
            supervisor.abort();
        }
    }
}

struct Supervisor {
    number: usize,
    shape: Arc<Shape>,
    timeline: Arc<Timeline>,
    blows: mpsc::Receiver<Blow>,
}

impl Supervisor {
    async fn run(mut self, mut child: Child) {
        loop {
            let over = tokio::select! {
                status = child.wait() => {
                    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    self.timeline.say(format_args!("worker {} ended by itself: {how}", self.number));
                    tokio::time::sleep(BACK_AFTER).await;
                    None
                }
                blow = self.blows.recv() => match blow {
                    Some(Blow::Kill(down, over)) => {
                        // It may have ended by itself at this very moment, which is as good.
                        let _killed = child.kill().await;
                        tokio::time::sleep(down).await;
                        Some(over)
                    }
                    Some(Blow::Stop(time, over)) => {
                        stop_for(&child, time).await;
                        let _told = over.send(());
                        continue;
                    }
                    None => {
                        let _killed = child.kill().await;
                        return;
                    }
                },
            };
            child = match self.shape.spawn() {
                Ok(child) => child,
                Err(error) => {
                    self.timeline.say(format_args!("worker {} cannot be started: {error:#}", self.number));
                    return;
                }
            };
            if let Some(over) = over {
                let _told = over.send(());
            }
        }
    }
}

/// A signal to a process that has just ended meets nobody: its id is not given anew before it is waited for.
async fn stop_for(child: &Child, time: Duration) {
    let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) else { return };
    let _stopped = kill(Pid::from_raw(pid), Signal::SIGSTOP);
    tokio::time::sleep(time).await;
    let _goes_on = kill(Pid::from_raw(pid), Signal::SIGCONT);
}

impl Shape {
    fn spawn(&self) -> Result<Child> {
        fleet::product(&self.program)
            .args(WORK)
            .envs(&self.variables)
            .stdout(Stdio::null())
            .stderr(self.complaints()?)
            .spawn()
            .with_context(|| format!("could not start {}", self.program.display()))
    }

    fn complaints(&self) -> Result<File> {
        let path: &Path = &self.log;
        let opened = OpenOptions::new().create(true).append(true).open(path);
        opened.with_context(|| format!("could not write {}", path.display()))
    }
}
