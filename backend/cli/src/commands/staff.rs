//! `kamiflow staff`: the operator's own people, who review identities at `/staff`.

use anyhow::Result;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use kamiflow_domain::accounts::password::{HashCost, PasswordHasher};
use kamiflow_domain::accounts::staff::list::list_staff;
use kamiflow_domain::accounts::staff::make::{
    CreateStaff, EnrollmentLink, StaffError, create_staff, disable_staff, renew_staff,
};
use kamiflow_kernel::{Clock as _, EmailAddress, StaffRole, format_platform_time};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{self, Database, ProcessEnv, Server, Ui};
use kamiflow_store::Store;
use kamiflow_store::staff::StaffListRow;
use serde::Serialize;
use serde_json::json;

use crate::connect;
use crate::console::{Console, Table, Tone};
use crate::exit::{Exit, NotFound, Refused, WrongUsage};

const CREATE_EXAMPLES: &str = "\
Examples:
  kamiflow staff create --email chen@operator.example --name 陈审核 --role reviewer
  kamiflow staff create --email chen@operator.example --name 陈审核 --role reviewer --json | jq -r .link

Prints a link, good once and for 24 hours, by which the person chooses a password and enrolls a code generator; both are
mandatory. Hand it over by a way you trust: whoever opens it first is that person. Roles: reviewer (decides about
identities), support (sees none), admin (everything). Needs KAMIFLOW_DATABASE_URL; the link begins with
KAMIFLOW_UI_PUBLIC_URL.";

const RENEW_EXAMPLES: &str = "\
Examples:
  kamiflow staff renew --email chen@operator.example

For somebody who lost the first link, the phone with the recovery codes, or was disabled and comes back. Ends all
sessions; the former password and second factor are good for nothing from now on.";

const LIST_EXAMPLES: &str = "\
Examples:
  kamiflow staff list
  kamiflow staff list --json | jq -r '.[] | select(.state == \"active\") | .email'";

const DISABLE_EXAMPLES: &str = "\
Examples:
  kamiflow staff disable --email chen@operator.example

Holds from the next request on, wherever the person is logged in.";

/// Options of `kamiflow staff`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: StaffCommand,
}

#[derive(Debug, Subcommand)]
enum StaffCommand {
    /// Makes an account, and prints the link by which its owner enrolls.
    #[command(after_help = CREATE_EXAMPLES)]
    Create(Create),
    /// Prints another link, and ends what the former one led to.
    #[command(after_help = RENEW_EXAMPLES)]
    Renew(Who),
    /// Lists all accounts.
    #[command(after_help = LIST_EXAMPLES)]
    List,
    /// Shuts somebody out at once.
    #[command(after_help = DISABLE_EXAMPLES)]
    Disable(Who),
}

/// A new account.
#[derive(Debug, Args)]
struct Create {
    /// What is typed to log in.
    #[arg(long, value_name = "ADDRESS")]
    email: EmailAddress,
    /// As merchants are told who looked at their pictures.
    #[arg(long)]
    name: String,
    /// reviewer, support or admin.
    #[arg(long)]
    role: StaffRole,
}

/// Whose account.
#[derive(Debug, Args)]
struct Who {
    /// What is typed to log in.
    #[arg(long, value_name = "ADDRESS")]
    email: EmailAddress,
}

/// A member of the staff. The JSON is API: fields are added, never renamed.
#[derive(Debug, Serialize)]
struct StaffReport {
    email: String,
    name: String,
    role: StaffRole,
    state: &'static str,
    created_at: DateTime<Utc>,
    last_used_at: Option<DateTime<Utc>>,
}

impl From<StaffListRow> for StaffReport {
    fn from(row: StaffListRow) -> Self {
        let state = match (row.disabled_at, row.enrolled_at) {
            (Some(_), _) => "disabled",
            (None, None) => "invited",
            (None, Some(_)) => "active",
        };
        Self {
            email: row.email,
            name: row.name,
            role: row.role,
            state,
            created_at: row.created_at,
            last_used_at: row.last_used_at,
        }
    }
}

/// Does what was asked for.
pub(crate) async fn run(options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let database: Database = config::load(&ProcessEnv)?;
    let store = connect::store_without_keys(&database)?;
    match options.action {
        StaffCommand::Create(new) => create(&store, new, console).await,
        StaffCommand::Renew(who) => {
            let link = renew_staff(&store, &who.email, SystemClock.now()).await.map_err(told)?;
            show_link(&who.email, &link, console)
        }
        StaffCommand::List => list(&store, console).await,
        StaffCommand::Disable(who) => {
            disable_staff(&store, &who.email, SystemClock.now()).await.map_err(told)?;
            if console.is_json() {
                console.print_json(&json!({ "email": who.email, "state": "disabled" }))?;
            } else {
                console.print(format_args!("{} is shut out.", who.email.as_str()));
            }
            Ok(Exit::Done)
        }
    }
}

async fn create(store: &Store, new: Create, console: Console) -> Result<Exit> {
    let hasher = PasswordHasher::new(HashCost::default(), 1)?;
    let request = CreateStaff { email: new.email.clone(), name: new.name, role: new.role };
    let link = create_staff(store, &hasher, &request, SystemClock.now()).await.map_err(told)?;
    show_link(&new.email, &link, console)
}

/// The link is what was asked for, so it goes to stdout and nowhere else.
fn show_link(email: &EmailAddress, link: &EnrollmentLink, console: Console) -> Result<Exit> {
    let (ui, server): (Ui, Server) = config::load(&ProcessEnv)?;
    let address = format!("{}{}", ui.base_url(server.listen.port()), link.path.expose());
    if console.is_json() {
        let report = json!({ "email": email, "link": address, "expires_at": link.expires_at });
        console.print_json(&report)?;
    } else {
        console.print(format_args!("{address}"));
        console.note(format_args!("Good once, until {} in Shanghai.", format_platform_time(link.expires_at)));
    }
    Ok(Exit::Done)
}

async fn list(store: &Store, console: Console) -> Result<Exit> {
    let reports: Vec<StaffReport> = list_staff(store).await?.into_iter().map(Into::into).collect();
    if console.is_json() {
        console.print_json(&reports)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(&["email", "name", "role", "state", "last seen"]);
    for report in reports {
        let tone = match report.state {
            "active" => Tone::Good,
            "invited" => Tone::Warn,
            _ => Tone::Faint,
        };
        let seen = report.last_used_at.map(format_platform_time).unwrap_or_default();
        table.row([
            (report.email, None),
            (report.name, None),
            (report.role.to_string(), None),
            (report.state.to_owned(), Some(tone)),
            (seen, None),
        ]);
    }
    if table.is_empty() {
        console.print(format_args!("Nobody yet: kamiflow staff create"));
    } else {
        table.print(console);
    }
    Ok(Exit::Done)
}

fn told(error: StaffError) -> anyhow::Error {
    match &error {
        StaffError::Exists(_) => Refused(error.to_string()).into(),
        StaffError::Unknown(_) => NotFound(error.to_string()).into(),
        StaffError::Name => WrongUsage(error.to_string()).into(),
        StaffError::Hash(_) | StaffError::Store(_) => error.into(),
    }
}
