//! Lua scripts: sent by hash, sent in full when the server does not know the hash.

use std::sync::LazyLock;

use redis::{Cmd, ErrorKind, FromRedisValue, ServerErrorKind};

use crate::QueueError;
use crate::connection::Connections;

/// One script and its hash.
pub(crate) struct Script {
    body: String,
    hash: String,
}

impl Script {
    fn new(parts: &[&str]) -> Self {
        let body = parts.concat();
        let hash = redis::Script::new(&body).get_hash().to_owned();
        Self { body, hash }
    }

    /// Runs the script in one round trip.
    pub(crate) async fn run<T: FromRedisValue>(
        &self,
        connections: &Connections,
        keys: &[String],
        arguments: &[String],
    ) -> Result<T, QueueError> {
        let by_hash = command("EVALSHA", &self.hash, keys, arguments);
        match connections.query_raw(&by_hash).await? {
            // After a restart or SCRIPT FLUSH: EVAL also stores the script, so this happens once.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                connections.query(&command("EVAL", &self.body, keys, arguments)).await
            }
            answer => Ok(answer?),
        }
    }
}

fn command(name: &str, script: &str, keys: &[String], arguments: &[String]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    command
}

macro_rules! scripts {
    ($($name:ident = $first:literal $(+ $rest:literal)*;)*) => {
        $(pub(crate) static $name: LazyLock<Script> = LazyLock::new(|| {
            Script::new(&[include_str!($first) $(, include_str!($rest))*])
        });)*
    };
}

scripts! {
    SCHEDULE = "scripts/prelude.lua" + "scripts/schedule.lua";
    PROMOTE = "scripts/prelude.lua" + "scripts/promote.lua";
    TAKE = "scripts/prelude.lua" + "scripts/take.lua";
    GRANT = "scripts/prelude.lua" + "scripts/grant.lua";
    TAKE_OVER = "scripts/prelude.lua" + "scripts/take_over.lua";
    RENEW = "scripts/prelude.lua" + "scripts/renew.lua";
    COMPLETE = "scripts/prelude.lua" + "scripts/complete.lua";
    PLACEMENTS = "scripts/placements.lua";
    STATS = "scripts/prelude.lua" + "scripts/stats.lua";
    RETIRE_CONSUMERS = "scripts/retire_consumers.lua";
    EPOCH = "scripts/epoch.lua";
    ACQUIRE = "scripts/acquire.lua";
    METER = "scripts/meter.lua";
    PASS = "scripts/pass.lua";
    LOCK = "scripts/lock.lua";
    RENEW_LOCK = "scripts/renew_lock.lua";
    UNLOCK = "scripts/unlock.lua";
}
