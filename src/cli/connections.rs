//! `myelin connections`: which users are connected to which servers, and the end of a connection.

use std::{io::Write, net::SocketAddr, path::PathBuf};

use serde::Deserialize;
use serde_json::json;

use super::{
    exit::Code,
    failure::Failure,
    operator::Operator,
    terminal::{plain_line, table},
};

/// List or end the connections of users to servers
///
/// It asks the gateway where its `admin` listens. The token that `admin.token` wants comes from a file or from `MYELIN_ADMIN_TOKEN`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  myelin connections
  myelin connections revoke 'https://idp.example|u1' mail")]
pub(super) struct Connections {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where the gateway's `admin` listens
    #[arg(long, global = true, value_name = "ADDRESS", default_value = "127.0.0.1:8809")]
    admin: SocketAddr,
    /// A file with the token
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Revoke(Revoke),
}

/// End a connection, here and at the authorization server
#[derive(Debug, clap::Args)]
struct Revoke {
    /// Whose, as `myelin connections` prints it
    principal: String,
    /// To which server
    server: String,
}

#[derive(Deserialize)]
struct Answer {
    connections: Vec<Connection>,
}

#[derive(Deserialize)]
struct Connection {
    principal: String,
    server: String,
    issuer: String,
    scopes: Vec<String>,
    since: u64,
    expires: Option<u64>,
    renewable: bool,
}

impl Connections {
    pub(super) fn run(self) -> Result<Code, Failure> {
        let operator = Operator::new(self.admin, self.token_file.as_deref())?;
        match &self.command {
            None => self.list(&operator),
            Some(Command::Revoke(revoke)) => {
                let wish = json!({ "principal": revoke.principal, "server": revoke.server });
                let answer = operator.post("/api/connections/revoke", &wish)?;
                if self.json {
                    writeln!(std::io::stdout(), "{answer}")?;
                } else {
                    anstream::eprintln!("the connection was ended");
                }
                Ok(Code::Done)
            }
        }
    }

    fn list(&self, operator: &Operator) -> Result<Code, Failure> {
        let text = operator.get("/api/connections")?;
        if self.json {
            writeln!(std::io::stdout(), "{text}")?;
            return Ok(Code::Done);
        }
        let answer: Answer = serde_json::from_str(&text).map_err(|_| Failure::NotServing(self.admin))?;
        if answer.connections.is_empty() {
            anstream::eprintln!("nobody is connected");
            return Ok(Code::Done);
        }
        let rows = answer.connections.iter().map(|connection| {
            [
                plain_line(&connection.principal),
                plain_line(&connection.server),
                plain_line(&connection.issuer),
                plain_line(&connection.scopes.join(" ")),
                written_time(connection.since),
                match (connection.renewable, connection.expires) {
                    (true, _) => "renewed".to_owned(),
                    (false, Some(expires)) => written_time(expires),
                    (false, None) => "never".to_owned(),
                },
            ]
        });
        let head = ["PRINCIPAL", "SERVER", "ISSUER", "SCOPES", "SINCE", "EXPIRES"];
        write!(anstream::stdout(), "{}", table(head, rows))?;
        Ok(Code::Done)
    }
}

/// A time since 1970, to the minute.
fn written_time(seconds: u64) -> String {
    let (year, month, day) = myelin::clock::date(seconds / 86_400);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}Z", seconds / 3600 % 24, seconds / 60 % 60)
}
