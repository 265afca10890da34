//! Asks the programs that keep credentials (`docker-credential-NAME`, the protocol of docker-credential-helpers).

use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use super::credentials::{Credentials, Helpers};

/// Asks `program` who we are to `server`. The error is why it could not be told, without anything secret.
pub(super) async fn get(program: &str, server: &str, helpers: &Helpers) -> Result<Credentials, String> {
    if program.contains('/') {
        return Err("the name of a helper holds no `/`".to_owned());
    }
    match tokio::time::timeout(helpers.limit, run(program, server, helpers)).await {
        Ok(answer) => {
            let (succeeded, output) = answer.map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => "it is not installed".to_owned(),
                _ => format!("it does not run: {error}"),
            })?;
            read(succeeded, &output)
        }
        Err(_) => Err(format!("it did not end within {}s", helpers.limit.as_secs_f32())),
    }
}

/// No answer is longer; a program that says more is cut off.
const LONGEST_ANSWER: u64 = 1 << 20;

async fn run(program: &str, server: &str, helpers: &Helpers) -> std::io::Result<(bool, Vec<u8>)> {
    let mut command = Command::new(program);
    if let Some(path) = &helpers.search_path {
        command.env("PATH", path);
    }
    let mut child = command
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let stdout = child.stdout.take().expect("stdout is piped");
    let tell = async move {
        match stdin.write_all(server.as_bytes()).await {
            // A helper that ends without listening has said why on its output.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        }
    };
    let mut output = Vec::new();
    let mut stdout = stdout.take(LONGEST_ANSWER);
    let (told, read) = tokio::join!(tell, stdout.read_to_end(&mut output));
    told?;
    read?;
    drop(stdout);
    Ok((child.wait().await?.success(), output))
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

/// The user's name that says that the secret is an identity token.
const TOKEN_USER: &str = "<token>";

fn read(succeeded: bool, output: &[u8]) -> Result<Credentials, String> {
    let text = String::from_utf8_lossy(output);
    if !succeeded {
        return if text.contains("credentials not found") { Ok(Credentials::Anonymous) } else { Err(complaint(&text)) };
    }
    let Answer { username, secret } = serde_json::from_slice(output).map_err(|_| "its answer is no credentials")?;
    Ok(match (username.as_str(), secret.is_empty()) {
        ("", true) => Credentials::Anonymous,
        (TOKEN_USER, _) => Credentials::IdentityToken(secret),
        _ => Credentials::Password { username, password: secret },
    })
}

/// What a failed helper says on its output: the first line, unless that may be the start of an answer.
fn complaint(text: &str) -> String {
    let line = super::text::shown(text.trim().lines().next().unwrap_or_default());
    if line.is_empty() || line.starts_with('{') { "it failed".to_owned() } else { line }
}
