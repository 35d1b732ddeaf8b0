//! What helps when a server cannot be used: each message ends with the variable to change.

use std::error::Error;

use kamiflow_queue::QueueError;
use kamiflow_store::StoreError;

/// The variable that most commands reach Postgres by.
const DATABASE_URL: &str = "KAMIFLOW_DATABASE_URL";

/// Causes by the words that tell them, and what helps; `{}` stands for the variable that holds the URL.
const OF_POSTGRES: &[(&str, &str)] = &[
    ("connections of this thread", "raise KAMIFLOW_DATABASE_POOL_SIZE"),
    ("UnknownIssuer", "name the authority that issued the certificate in KAMIFLOW_DATABASE_CA_FILE"),
    ("not valid for", "name the server in {} as its certificate does"),
    ("invalid peer certificate", "have the server's certificate put right, or correct {}"),
    ("does not support TLS", "switch TLS on in Postgres, or take sslmode out of {}"),
    ("no encryption", "add ?sslmode=verify-full to {}, or permit the address in pg_hba.conf"),
    ("no pg_hba.conf entry", "permit the address in pg_hba.conf, or correct {}"),
    ("password", "correct the password in {}"),
    ("role \"", "run migrations/bootstrap.sql as a superuser, or correct {}"),
    ("database \"", "create the database, or correct {}"),
    ("CA file", "correct KAMIFLOW_DATABASE_CA_FILE, or sslrootcert in {}"),
    ("sslmode", "correct {}"),
    ("URL", "correct {}"),
];

/// As [`OF_POSTGRES`], for Redis.
const OF_REDIS: &[(&str, &str)] = &[
    ("UnknownIssuer", "name the authority that issued the certificate in KAMIFLOW_REDIS_CA_FILE"),
    ("not valid for", "name the server in KAMIFLOW_REDIS_URL as its certificate does"),
    ("WRONGPASS", "correct the password in KAMIFLOW_REDIS_URL"),
    ("NOAUTH", "add the password to KAMIFLOW_REDIS_URL"),
    ("authorit", "correct KAMIFLOW_REDIS_CA_FILE"),
    ("URL", "correct KAMIFLOW_REDIS_URL"),
];

/// Adds what helps to an error that a server caused; others stay as they are.
pub(crate) fn explained(error: anyhow::Error) -> anyhow::Error {
    let store = error.chain().find_map(|cause| cause.downcast_ref::<StoreError>());
    if let Some(found @ StoreError::Unavailable(_)) = store {
        let text = of_postgres(found, DATABASE_URL);
        return error.context(text);
    }
    if error.to_string().contains("KAMIFLOW_") {
        return error;
    }
    let queue = error.chain().find_map(|cause| cause.downcast_ref::<QueueError>());
    if let Some(found @ (QueueError::Unavailable(_) | QueueError::Refused(_))) = queue {
        let text = format!("{}; {}", told(found), of_redis(found));
        return error.context(text);
    }
    error
}

/// Says what is wrong with Postgres and what helps.
pub(crate) fn of_postgres(error: &StoreError, variable: &str) -> String {
    format!("{}; {}", told(error), cure_of_postgres(error, variable))
}

/// Says what helps against an error of Postgres, which was reached by a variable.
pub(crate) fn cure_of_postgres(error: &StoreError, variable: &str) -> String {
    cure(OF_POSTGRES, &told(error)).unwrap_or("start Postgres there, or correct {}").replace("{}", variable)
}

/// Says what helps against an error of Redis.
pub(crate) fn of_redis(error: &QueueError) -> &'static str {
    cure(OF_REDIS, &told(error)).unwrap_or("start Redis there, or correct KAMIFLOW_REDIS_URL")
}

/// Joins an error and its causes.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

fn cure(table: &[(&str, &'static str)], text: &str) -> Option<&'static str> {
    table.iter().find(|(word, _)| text.contains(word)).map(|(_, cure)| *cure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::chain;

    #[test]
    fn a_server_that_does_not_answer_is_told_once_with_the_variable_to_change() {
        let cause = "app@127.0.0.1:1/kamiflow: error connecting to server: Connection refused (os error 111)";
        let error = anyhow::Error::new(StoreError::Unavailable(cause.to_owned()));
        let said =
            format!("postgres cannot be reached: {cause}; start Postgres there, or correct KAMIFLOW_DATABASE_URL");
        assert_eq!(chain(&explained(error)), said);
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        let error = anyhow::Error::new(StoreError::NotFound("order"));
        assert_eq!(chain(&explained(error)), "order was not found");
    }
}
