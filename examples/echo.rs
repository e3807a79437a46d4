//! echo: a server that gives back each line, and that stops without cutting one off.
//!
//! `echo [RUNTIME [ADDRESS]]` says where it listens. Ctrl-C or SIGTERM stops it: then nobody new gets in,
//! each connection ends after the line that it is at, and after ten seconds what is left is dropped. The
//! sockets are those of smol, which run on every runtime.

#![forbid(unsafe_code)]

use std::env;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use anyscope::prelude::*;
use anyscope::{Ended, PanicPolicy, Supervise, until_signal};
use smol::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use smol::net::{TcpListener, TcpStream};
use smol::stream::StreamExt;

/// So many connections are open at once; one more is accepted and held until one of them ends.
const CONNECTIONS: usize = 1000;

const GRACE: Duration = Duration::from_secs(10);

/// Until it tries again when no connection could be accepted, for want of descriptors say.
const PAUSE: Duration = Duration::from_millis(50);

fn main() -> ExitCode {
    let mut args = env::args().skip(1);
    let runtime = args.next().unwrap_or_else(|| "tokio".into());
    let program = program(args.next().unwrap_or_else(|| "127.0.0.1:7007".into()));
    let ended = match runtime.as_str() {
        "tokio" => anyscope::tokio::run(program),
        "smol" => anyscope::smol::run(program),
        "async-std" => anyscope::async_std::run(program),
        _ => {
            eprintln!("usage: echo [tokio|smol|async-std [ADDRESS]]");
            return ExitCode::from(2);
        }
    };
    ended.report()
}

async fn program(address: String) -> Ended {
    until_signal(GRACE, async |_| {
        let listener = TcpListener::bind(address).await?;
        println!("listening on {}", listener.local_addr()?);
        Ok(serve(listener).await?)
    })
    .await
}

/// Accepts connections until it is told to stop, and returns when the last of them has ended. What fails in
/// one is reported, and no concern of the others.
async fn serve(listener: TcpListener) -> Result<(), GroupError> {
    group(async |g| {
        while let Some(accepted) = until_cancelled(listener.accept()).await {
            match accepted {
                Ok((stream, peer)) => {
                    let connection = g.task(give_back_lines(stream)).name(peer.to_string());
                    connection.spawn_when_free().await;
                }
                Err(error) => {
                    eprintln!("not accepted: {error}");
                    until_cancelled(sleep(PAUSE)).await;
                }
            }
        }
        Ok(())
    })
    .name("connections")
    .limit(CONNECTIONS)
    .policy(Supervise::reporting(|failure| eprintln!("{failure}")))
    .panics(PanicPolicy::Capture)
    .await
}

async fn give_back_lines(mut stream: TcpStream) -> Result<(), BoxError> {
    let mut lines = BufReader::new(stream.clone()).lines();
    while let Some(Some(line)) = until_cancelled(lines.next()).await {
        stream.write_all(format!("{}\n", line?).as_bytes()).await?;
    }
    Ok(stream.write_all(b"goodbye\n").await?)
}
