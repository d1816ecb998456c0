//! The secret of the first login: there is no account that everybody knows.

use std::fs::{self, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;

use super::House;
use crate::access::Ticket;

/// The file that holds it, in the state folder.
const FILE: &str = "first-login";

/// As long as there is no user: a new secret in a file that only the watch's own user reads, and once on the terminal.
pub async fn offer(house: &House, address: SocketAddr) {
    let offered = async {
        if house.accounts.is_anybody().await? {
            take_back(house);
            return house.accounts.offer_first_login(None).await.map_err(Into::into);
        }
        let secret = Ticket::draw("").map_err(|_| "the system gives no random numbers")?;
        house.accounts.offer_first_login(Some(secret.digest())).await?;
        let path = house.state_dir.join(FILE);
        take_back(house);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        writeln!(file, "{}", secret.expose())?;
        tracing::warn!(
            page = %page(house, address),
            secret = %path.display(),
            "nobody can log in yet: open the page and make the first user with the secret in this file, or use `vakhta user add`"
        );
        if io::stderr().is_terminal() {
            // For the person who began the watch; the log does not get it.
            let _ = writeln!(io::stderr(), "the secret of the first login: {}", secret.expose());
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    };
    if let Err(error) = offered.await {
        tracing::warn!(%error, "there is no first login: the accounts cannot be written");
    }
}

/// Where people reach the first login: at a listening address like 0.0.0.0 nobody does.
fn page(house: &House, address: SocketAddr) -> String {
    let base = match &house.settings.url {
        Some(url) => url.as_str().trim_end_matches('/').to_owned(),
        None => format!("{}://{address}", house.scheme()),
    };
    format!("{base}/login")
}

/// There need not be one.
pub fn take_back(house: &House) {
    let _ = fs::remove_file(house.state_dir.join(FILE));
}
