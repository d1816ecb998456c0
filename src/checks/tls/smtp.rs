//! STARTTLS of a mail server: RFC 3207, as far as a handshake needs it.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::net::{Fault, words};

/// So much may the server say before it speaks TLS.
const MOST: u64 = 16 * 1024;

/// Greets the server and asks it to speak TLS.
pub async fn start_tls(stream: &mut TcpStream) -> Result<(), Fault> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader.take(MOST));
    for (say, wanted) in [(None, "220"), (Some("EHLO vakhta.invalid\r\n"), "250"), (Some("STARTTLS\r\n"), "220")] {
        if let Some(line) = say {
            writer.write_all(line.as_bytes()).await.map_err(|error| Fault::from(&error))?;
        }
        loop {
            let mut line = Vec::new();
            reader.read_until(b'\n', &mut line).await.map_err(|error| Fault::from(&error))?;
            let text = words::excerpt(&line, []);
            if line.is_empty() {
                return Err(Fault::Theirs("the mail server closed the connection".into()));
            }
            if !text.starts_with(wanted) {
                let what = say.map_or("the connection", |line| line.split(' ').next().unwrap_or_default().trim());
                return Err(Fault::Theirs(format!("the mail server answered {what} with `{text}`")));
            }
            // `250-` has lines after it.
            if line.get(3) != Some(&b'-') {
                break;
            }
        }
    }
    // What follows belongs to TLS; a server that says more in the clear has been tampered with.
    match reader.buffer() {
        [] => Ok(()),
        _ => Err(Fault::Theirs("the mail server went on in the clear after STARTTLS".into())),
    }
}
